import os

import pytest

from amphora.system.beneath import Tree, names_in, remove_directory


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (b"", ()),
        (b"/", ()),
        (b"a//b/", (b"a", b"b")),
        (b"./a/../b", (b"b",)),
        (b"../../a", (b"a",)),
        (b"a/../../..", ()),
        (b"...", (b"...",)),
    ],
)
def test_names_in(path, names):
    assert names_in(path) == names


@pytest.fixture
def root(tmp_path):
    (tmp_path / "outside").mkdir()
    path = tmp_path / "root"
    (path / "a/b").mkdir(parents=True)
    (path / "file").touch()
    return path


def same(descriptor: int, path) -> bool:
    return os.path.samestat(os.fstat(descriptor), path.stat())


@pytest.mark.parametrize(
    ("link", "target", "real"),
    [
        ("link", "a/b", "a/b"),
        ("link", "/a/b", "a/b"),
        ("link", "../../../a", "a"),
        ("a/b/link", "..", "a"),
        ("a/b/link", "../../../../a/./b//", "a/b"),
        ("a/link", "/", "."),
    ],
)
def test_links_resolve_as_after_chroot(root, link, target, real):
    (root / link).symlink_to(target)

    with Tree(root) as tree:
        place = tree.directory(names_in(os.fsencode(link)))
        assert same(place.descriptor, root / real)
        assert place.path == names_in(os.fsencode(real))


def test_links_to_links(root):
    (root / "one").symlink_to("two/b")
    (root / "two").symlink_to("/three")
    (root / "three").symlink_to("a")

    with Tree(root) as tree:
        assert same(tree.directory((b"one",)).descriptor, root / "a/b")


def test_what_is_missing_is_made_only_on_request(root):
    (root / "link").symlink_to("/new")

    with Tree(root) as tree:
        with pytest.raises(FileNotFoundError):
            tree.directory((b"link", b"deep"))
        assert tree.directory((b"link", b"deep"), make=True).path == (b"new", b"deep")
        assert tree.made == 2
    assert (root / "new/deep").is_dir()


def test_errors_are_the_kernels(root):
    (root / "loop").symlink_to("loop")

    with Tree(root) as tree:
        with pytest.raises(NotADirectoryError):
            tree.directory((b"file", b"below"), make=True)
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            tree.directory((b"loop",))
        with pytest.raises(OSError, match="File name too long"):
            tree.directory((b"d",) * 2049, make=True)


def test_a_removed_directory_is_not_remembered(root):
    with Tree(root) as tree:
        tree.directory((b"a", b"b"))
        tree.remove(tree.directory(()), b"a")
        with pytest.raises(FileNotFoundError):
            tree.directory((b"a", b"b"))


def test_removing_follows_no_links(root, tmp_path):
    (tmp_path / "outside/file").touch()
    (root / "a/b/link").symlink_to(tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside")

    with Tree(root) as tree:
        place = tree.directory(())
        for name in (b"a", b"link", b"file", b"missing"):
            tree.remove(place, name)

    assert list(root.iterdir()) == []
    assert (tmp_path / "outside/file").exists()


def test_no_descriptor_is_left_open(root):
    before = set(os.listdir("/proc/self/fd"))
    for number in range(200):
        (root / str(number)).mkdir()

    with Tree(root) as tree:
        for number in range(200):
            tree.directory((str(number).encode(),))
        assert len(os.listdir("/proc/self/fd")) - len(before) < 80
        with pytest.raises(FileNotFoundError):
            tree.directory((b"a", b"missing"))

    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_directory_deeper_than_any_path_is_removed(tmp_path):
    (tmp_path / "top").mkdir()
    here = os.open(tmp_path / "top", os.O_DIRECTORY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)

    parent = os.open(tmp_path, os.O_DIRECTORY)
    remove_directory(b"top", parent)
    os.close(parent)

    assert list(tmp_path.iterdir()) == []
