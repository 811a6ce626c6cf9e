"""COPY into a real root file system: where things land, whose they are, what stays as it was."""

import os
import stat
from pathlib import Path

import pytest

from amphora.build.copying import CopyRules, copy_sources, make_directory
from amphora.build.filetree import FileTree
from amphora.core.errors import ContextError
from amphora.runtime.spec import User

pytestmark = pytest.mark.privileged

OLD = 1_000_000_000
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service=ep


@pytest.fixture
def context(tmp_path):
    context = tmp_path / "context"
    (context / "dir/sub").mkdir(parents=True)
    (context / "file").write_text("file")
    (context / "dir/inner").write_text("inner")
    (context / "dir/sub/deep").write_text("deep")
    return context


def copy(context, root, destination, *patterns, **rules):
    tree = FileTree(context)
    sources = [source for pattern in patterns for source in tree.find(pattern)]
    copy_sources(sources, root, destination, CopyRules(**rules))


def files(root):
    """Every regular file below, with its content."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def owner(path):
    status = path.lstat()
    return status.st_uid, status.st_gid


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


def age(path, seconds=OLD):
    os.utime(path, (seconds, seconds), follow_symlinks=False)


@pytest.mark.parametrize(
    ("patterns", "destination", "landed"),
    [
        (["file"], "/name", ["name"]),
        (["file"], "/", ["file"]),
        (["file"], "/new/", ["new/file"]),
        (["file"], "/new/name", ["new/name"]),
        (["file"], "/there", ["there/file"]),
        (["file"], "/there/.", ["there/file"]),
        (["dir"], "/new", ["new/inner", "new/sub/deep"]),
        (["dir"], "/new/", ["new/inner", "new/sub/deep"]),
        (["dir"], "/there", ["there/inner", "there/sub/deep"]),
        (["dir"], "/", ["inner", "sub/deep"]),
        (["file", "dir/inner"], "/new", ["new/file", "new/inner"]),
        (["file", "dir"], "/new", ["new/file", "new/inner", "new/sub/deep"]),
        (["dir/*"], "/new", ["new/inner", "new/deep"]),
        ([], "/new", []),
    ],
)
def test_where_things_land(context, root, patterns, destination, landed):
    (root / "there").mkdir()
    copy(context, root, destination, *patterns)
    assert sorted(files(root)) == sorted(landed)


def test_a_file_replaces_a_file_and_not_what_a_link_leads_to(context, root):
    (root / "old").write_text("old")
    (root / "target").write_text("target")
    (root / "links").mkdir()
    (root / "links/file").symlink_to("/target")
    copy(context, root, "/old", "file")
    copy(context, root, "/links/", "file")
    assert files(root) == {"old": "file", "target": "target", "links/file": "file"}
    assert not (root / "links/file").is_symlink()


def test_a_destination_that_is_a_link_is_followed_inside_the_root(context, root):
    (root / "real").mkdir()
    (root / "link").symlink_to("/real")
    (root / "name").symlink_to("real/other")
    copy(context, root, "/link/", "file")
    copy(context, root, "/name", "file")
    assert files(root) == {"real/file": "file", "real/other": "file"}


@pytest.mark.parametrize("target", ["..", "/..", "../../outside", "/../outside"])
def test_no_link_of_the_image_leads_out_of_the_root(context, root, target):
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "link").symlink_to(target)
    (outside / "canary").write_text("safe")
    copy(context, root, "/link/new/", "file")
    copy(context, root, "/link/../../../up", "file")
    assert files(outside) == {"canary": "safe"}
    assert {path.name for path in root.parent.iterdir()} == {"context", "outside", "root"}
    assert files(root)["up"] == "file"


def test_what_comes_from_the_context_is_roots_and_keeps_its_mode_and_time(context, root):
    (context / "dir/inner").chmod(0o4750)
    (context / "dir/sub").chmod(0o2711)
    for path in (context / "dir/inner", context / "dir/sub"):
        os.chown(path, 1000, 1001)
        age(path)
    (context / "dir/inner").chmod(0o4750)
    (context / "dir/sub").chmod(0o2711)
    copy(context, root, "/new", "dir", owner=User())
    for name, expected in (("inner", 0o4750), ("sub", 0o2711)):
        path = root / "new" / name
        assert (owner(path), mode(path), path.stat().st_mtime) == ((0, 0), expected, OLD)


def test_what_comes_from_a_stage_keeps_its_owner(context, root):
    os.chown(context / "dir/inner", 1000, 1001)
    (context / "dir/link").symlink_to("inner")
    os.chown(context / "dir/link", 5, 6, follow_symlinks=False)
    copy(context, root, "/new", "dir")
    assert owner(root / "new/inner") == (1000, 1001)
    assert owner(root / "new/link") == (5, 6)


def test_owner_and_mode_of_the_flags_apply_to_everything_that_is_made(context, root):
    (context / "dir/link").symlink_to("inner")
    copy(context, root, "/a/b/", "dir", owner=User(8, 12), mode=0o640)
    made = ["a", "a/b", "a/b/inner", "a/b/sub", "a/b/sub/deep", "a/b/link"]
    assert {owner(root / name) for name in made} == {(8, 12)}
    assert [mode(root / name) for name in made[:5]] == [0o755, 0o640, 0o640, 0o640, 0o640]


def test_a_set_uid_mode_survives_the_change_of_owner(context, root):
    copy(context, root, "/name", "file", owner=User(8, 12), mode=0o6755)
    assert mode(root / "name") == 0o6755


def test_everything_gets_the_time_that_is_given(context, root):
    copy(context, root, "/a/b/", "dir", "file", mtime=OLD)
    assert {path.lstat().st_mtime for path in root.rglob("*")} == {OLD}


def test_directories_on_the_way_get_the_time_of_what_goes_into_them(context, root):
    age(context / "file")
    copy(context, root, "/a/b/name", "file")
    assert {path.lstat().st_mtime for path in root.rglob("*")} == {OLD}


def test_the_destination_keeps_its_owner_mode_and_times(context, root):
    (root / "there").mkdir(mode=0o1777)
    (root / "there").chmod(0o1777)
    os.chown(root / "there", 8, 12)
    age(root / "there")
    age(root)
    copy(context, root, "/there", "dir", owner=User())
    copy(context, root, "/there/", "file", owner=User())
    assert (owner(root / "there"), mode(root / "there")) == ((8, 12), 0o1777)
    assert (root / "there").stat().st_mtime == OLD
    assert root.stat().st_mtime == OLD


def test_directories_below_the_destination_become_like_those_of_the_source(context, root):
    """As BuildKit does it: `COPY tree /` with a tmp of mode 755 in it makes /tmp so."""
    (root / "sub").mkdir(mode=0o700)
    (root / "sub/kept").write_text("kept")
    os.chown(root / "sub", 8, 12)
    (context / "dir/sub").chmod(0o751)
    age(context / "dir/sub")
    copy(context, root, "/", "dir", owner=User())
    sub = root / "sub"
    assert (owner(sub), mode(sub), sub.stat().st_mtime) == ((0, 0), 0o751, OLD)
    assert (sub / "kept").read_text() == "kept"


def test_files_that_share_an_inode_share_one_in_the_copy(context, root):
    (context / "dir/sub/same").hardlink_to(context / "dir/inner")
    (context / "dir/alike").write_text("inner")
    copy(context, root, "/new", "dir")
    numbers = {name: (root / "new" / name).stat().st_ino for name in ("inner", "sub/same", "alike")}
    assert numbers["inner"] == numbers["sub/same"] != numbers["alike"]


def test_links_are_copied_as_they_are(context, root):
    for name, target in (("broken", "/nowhere"), ("relative", "sub/deep"), ("sub/up", "..")):
        (context / "dir" / name).symlink_to(target)
    age(context / "dir/broken")
    copy(context, root, "/new", "dir", mode=0o600)
    assert (root / "new/broken").readlink() == Path("/nowhere")
    assert (root / "new/relative").readlink() == Path("sub/deep")
    assert (root / "new/sub/up").readlink() == Path("..")
    assert (root / "new/broken").lstat().st_mtime == OLD


def test_capabilities_and_users_attributes_go_along(context, root):
    os.setxattr(context / "file", "user.note", b"x")
    os.setxattr(context / "dir/sub", "user.note", b"y")
    os.setxattr(context / "file", "security.capability", CAPABILITY)
    copy(context, root, "/new/", "file", "dir", owner=User(8, 12))
    assert os.getxattr(root / "new/file", "user.note") == b"x"
    assert os.getxattr(root / "new/sub", "user.note") == b"y"
    assert os.getxattr(root / "new/file", "security.capability") == CAPABILITY


def test_pipes_are_copied(context, root):
    os.mkfifo(context / "dir/pipe")
    copy(context, root, "/new", "dir", mode=0o620)
    assert (root / "new/pipe").is_fifo()
    assert mode(root / "new/pipe") == 0o620


def test_a_socket_is_refused(context, root):
    os.mknod(context / "dir/s", stat.S_IFSOCK | 0o600)
    with pytest.raises(ContextError, match="cannot copy s: it is a socket"):
        copy(context, root, "/new", "dir")


def test_the_umask_does_not_matter(context, root):
    before = os.umask(0o077)
    try:
        copy(context, root, "/a/b/", "dir")
        make_directory(root, root / "x/y", User(), 0)
    finally:
        os.umask(before)
    assert [mode(root / name) for name in ("a", "a/b", "x", "x/y")] == [0o755] * 4
    assert mode(root / "a/b/sub") == mode(context / "dir/sub")


@pytest.mark.parametrize(
    ("patterns", "destination", "blamed"),
    [
        (["file"], "/taken/new", "/taken"),
        (["dir"], "/taken", "/taken"),
        (["dir"], "/taken/", "/taken"),
        (["dir"], "/full", "/full/sub"),
        (["file"], "/holds/", "/holds/file"),
        (["dir"], "/linked", "/linked/sub"),
    ],
)
def test_a_directory_never_replaces_a_file_nor_a_file_a_directory(
    context, root, patterns, destination, blamed
):
    (root / "taken").write_text("taken")
    (root / "full").mkdir()
    (root / "full/sub").write_text("in the way")
    (root / "holds/file").mkdir(parents=True)
    (root / "linked").mkdir()
    (root / "linked/sub").symlink_to("/holds")
    with pytest.raises(ContextError, match=f"{blamed}: "):
        copy(context, root, destination, *patterns)


def test_make_directory_leaves_what_is_there(root):
    (root / "there").mkdir(mode=0o700)
    age(root / "there")
    make_directory(root, root / "there", User(8, 12), OLD * 10**9)
    make_directory(root, root / "there/new/sub", User(8, 12), (OLD + 5) * 10**9)
    assert (owner(root / "there"), mode(root / "there")) == ((0, 0), 0o700)
    assert (root / "there").stat().st_mtime == OLD
    for name in ("new", "new/sub"):
        path: Path = root / "there" / name
        assert (owner(path), mode(path), path.stat().st_mtime) == ((8, 12), 0o755, OLD + 5)
