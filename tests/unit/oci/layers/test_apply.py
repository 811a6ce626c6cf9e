import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, LayerError
from amphora.oci.layers.apply import Limits, apply_layer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "outer" / "root"
    path.mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("untouched")
    return path


def modes(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_files_directories_links_and_fifos(root, tar):
    tar.directory("usr/", mode=0o750, mtime=1000)
    tar.add("usr/tool", b"content", mode=0o4755, mtime=2000)
    tar.symlink("bin", "usr", mtime=3000)
    tar.hardlink("usr/other", "usr/tool")
    tar.add("pipe", type=tarfile.FIFOTYPE, mode=0o622, mtime=4000)
    content = tar.bytes

    applied = tar.apply(root)

    assert modes(root / "usr") == 0o750
    assert modes(root / "usr/tool") == 0o4755
    assert (root / "bin/tool").read_bytes() == b"content"
    assert (root / "usr/other").samefile(root / "usr/tool")
    assert (root / "pipe").is_fifo()
    assert modes(root / "pipe") == 0o622
    assert [int((root / name).lstat().st_mtime) for name in ("usr", "usr/tool", "bin", "pipe")] == [
        1000,
        2000,
        3000,
        4000,
    ]
    assert applied.diff_id == Digest.of(content)
    assert (applied.entries, applied.size, applied.skipped) == (5, len(content), ())


def test_missing_parents_are_made_whatever_the_umask(root, tar):
    umask = os.umask(0o077)
    try:
        tar.add("a/b/c", b"content", mode=0o644).apply(root)
    finally:
        os.umask(umask)

    assert modes(root / "a/b") == 0o755
    assert modes(root / "a/b/c") == 0o644


def test_a_directory_merges_with_a_directory_and_replaces_anything_else(root, tar):
    (root / "dir").mkdir()
    (root / "dir/kept").touch()
    (root / "file").touch()
    (root / "link").symlink_to("dir")

    tar.directory("dir", mode=0o711).directory("file").directory("link").apply(root)

    assert (root / "dir/kept").exists()
    assert modes(root / "dir") == 0o711
    assert (root / "file").is_dir()
    assert (root / "link").is_dir()
    assert not (root / "link").is_symlink()


@pytest.mark.parametrize("kind", ["file", "symlink", "hardlink"])
def test_anything_replaces_a_directory(root, tar, kind):
    (root / "place/deep").mkdir(parents=True)
    (root / "place/deep/file").touch()
    tar.add("other", b"content")
    if kind == "file":
        tar.add("place", b"content")
    elif kind == "symlink":
        tar.symlink("place", "other")
    else:
        tar.hardlink("place", "other")

    tar.apply(root)

    assert (root / "place").read_bytes() == b"content"


def test_the_last_of_two_entries_wins(root, tar):
    tar.add("file", b"first").add("file", b"second").apply(root)

    assert (root / "file").read_bytes() == b"second"


def test_a_file_replaces_a_symlink_not_what_it_points_to(root, tar):
    (root / "target").write_bytes(b"kept")
    (root / "link").symlink_to("target")

    tar.add("link", b"new").apply(root)

    assert (root / "target").read_bytes() == b"kept"
    assert (root / "link").read_bytes() == b"new"


def test_whiteouts_remove_and_leave_siblings(root, tar):
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/sub/file").touch()
    (root / "dir/sibling").touch()
    (root / "link").symlink_to("dir")

    tar.add("dir/.wh.sub").add(".wh.link").add(".wh.missing").add("dir/.wh.missing").apply(root)

    assert {str(path.relative_to(root)) for path in root.rglob("*")} == {"dir", "dir/sibling"}


@pytest.mark.parametrize("marker_first", [True, False])
def test_an_opaque_directory_keeps_only_what_its_layer_brings(root, tar, marker_first):
    (root / "dir/old/older").mkdir(parents=True)
    (root / "dir/shared").mkdir()
    (root / "dir/shared/old").touch()
    (root / "dir/file").touch()

    if marker_first:
        tar.add("dir/.wh..wh..opq")
    tar.add("dir/shared/new").directory("dir/empty").add("dir/made/on/the/way")
    if not marker_first:
        tar.add("dir/.wh..wh..opq")
    tar.apply(root)

    assert {str(path.relative_to(root / "dir")) for path in (root / "dir").rglob("*")} == {
        "shared",
        "shared/new",
        "empty",
        "made",
        "made/on",
        "made/on/the",
        "made/on/the/way",
    }


def test_an_opaque_root_is_emptied_and_stays(root, tar):
    (root / "old").touch()

    tar.add(".wh..wh..opq").add("new").apply(root)

    assert [path.name for path in root.iterdir()] == ["new"]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "dir/.wh...", "dir/.wh.."])
def test_a_whiteout_cannot_remove_its_own_or_the_parent_directory(root, tar, name):
    (root / "dir").mkdir()
    (root / "dir/file").touch()

    with pytest.raises(LayerError, match="malformed"):
        tar.add(name).apply(root)

    assert (root / "dir/file").exists()


def test_notes_of_aufs_are_ignored(root, tar):
    tar.directory(".wh..wh.plnk").add(".wh..wh.plnk/1.2").add(".wh..wh.aufs").apply(root)

    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", ["..", "../", "/", "./", "", "a/..", "../../.."])
def test_entries_for_the_root_itself_are_ignored(root, tar, name):
    before = root.stat()

    tar.add(name, b"content").directory(name, mode=0o700).apply(root)

    assert root.stat() == before


@pytest.mark.parametrize(
    "name",
    [
        "../../secret/file",
        "/../secret/file",
        "x/../../../secret/file",
        "/secret/file",
        "//secret/file",
    ],
)
def test_names_stay_inside(root, tar, tmp_path, name):
    tar.add(name, b"hostile").apply(root)

    assert (tmp_path / "secret/file").read_text() == "untouched"
    assert (root / "secret/file").read_bytes() == b"hostile"


@pytest.mark.parametrize("relative", [True, False])
def test_parents_that_are_links_lead_to_places_inside(root, tar, tmp_path, relative):
    target = (
        "../../../../../.." + str(tmp_path / "secret") if relative else str(tmp_path / "secret")
    )

    tar.symlink("door", target)
    tar.add("door/file", b"hostile").add("door/.wh.other").add("door/.wh..wh..opq").apply(root)

    assert (tmp_path / "secret/file").read_text() == "untouched"
    assert (root / str(tmp_path / "secret").lstrip("/") / "file").read_bytes() == b"hostile"


def test_links_to_parents_resolve_as_after_chroot(root, tar):
    tar.directory("usr/lib").symlink("lib", "usr/lib").symlink("usr/lib/up", "../../..")
    tar.symlink("dangling", "/to/nowhere")
    tar.add("lib/one", b"1").add("lib/up/two", b"2").add("dangling/three", b"3").apply(root)

    assert (root / "usr/lib/one").read_bytes() == b"1"
    assert (root / "two").read_bytes() == b"2"
    assert (root / "to/nowhere/three").read_bytes() == b"3"


def test_a_parent_that_turns_into_a_link_is_noticed(root, tar, tmp_path):
    tar.directory("dir").add("dir/one", b"1")
    tar.symlink("dir", str(tmp_path / "secret")).add("dir/file", b"hostile")
    tar.apply(root)

    assert (tmp_path / "secret/file").read_text() == "untouched"
    assert (root / "dir").is_symlink()


def test_a_hardlink_cannot_reach_outside(root, tar, tmp_path):
    tar.symlink("door", str(tmp_path / "secret"))

    with pytest.raises(LayerError, match="cannot unpack stolen"):
        tar.hardlink("stolen", "door/file").apply(root)

    assert (tmp_path / "secret/file").stat().st_nlink == 1


def test_a_hardlink_to_a_symlink_links_the_symlink(root, tar, tmp_path):
    tar.symlink("door", str(tmp_path / "secret/file")).hardlink("second", "door").apply(root)

    assert (root / "second").is_symlink()
    assert (tmp_path / "secret/file").stat().st_nlink == 1


def test_devices_are_skipped_and_reported(root, tar):
    tar.add("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    tar.add("dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0)
    tar.add("dev/whiteout", type=tarfile.CHRTYPE)

    applied = tar.apply(root)

    assert applied.skipped == ("device dev/null", "device dev/sda", "device dev/whiteout")
    assert list(root.iterdir()) == []


def test_user_attributes_are_set_and_those_of_overlayfs_are_not(root, tar):
    names = ("user.mine", "user.overlay.opaque", "trusted.overlay.redirect", "security.selinux")
    headers = {f"SCHILY.xattr.{name}": "value" for name in names}

    tar.directory("dir", pax_headers=headers).add("file", pax_headers=headers).apply(root)

    for name in ("dir", "file"):
        assert os.listxattr(root / name) == ["user.mine"]
        assert os.getxattr(root / name, "user.mine") == b"value"


def test_an_entry_below_a_file_is_an_error(root, tar):
    with pytest.raises(LayerError, match="cannot unpack file/below"):
        tar.add("file", b"content").add("file/below", b"content").apply(root)


def test_links_in_a_circle_are_an_error(root, tar):
    tar.symlink("a", "b").symlink("b", "a")

    with pytest.raises(LayerError, match="cannot unpack a/file"):
        tar.add("a/file").apply(root)


@pytest.mark.parametrize("name", ["x" * 256, "d/" * 3000 + "file"])
def test_names_longer_than_the_kernel_allows_are_an_error(root, tar, name):
    with pytest.raises(LayerError, match="file name too long"):
        tar.add(name).apply(root)


def test_a_very_deep_tree_is_made_and_removed_again(root, tar):
    tar.add("top/" + "d/" * 1900 + "file", b"content").add(".wh.top")

    tar.apply(root)

    assert list(root.iterdir()) == []


def test_too_many_entries_are_an_error_also_when_nobody_spelled_them_out(root, tar):
    with pytest.raises(LayerError, match="more than 10 files"):
        tar.add("a/" * 12 + "file").add("second").apply(root, limits=Limits(max_entries=10))


def test_too_many_bytes_are_an_error_before_they_are_written(root, tar):
    tar.add("file", bytes(3_000_000))

    with pytest.raises(LayerError, match="file has 3000000 bytes"):
        tar.apply(root, limits=Limits(max_bytes=2_000_000))

    assert list(root.iterdir()) == []


def test_endless_padding_is_an_error(root, tar):
    class Endless:
        def read(self, size: int) -> bytes:
            return bytes(size)

    with pytest.raises(LayerError, match="more than 10000000 bytes"):
        apply_layer(Endless(), root, limits=Limits(max_bytes=10_000_000))


def test_the_diff_id_covers_what_follows_the_end_marker(root, tar):
    content = tar.add("file").bytes + b"more"

    assert apply_layer(io.BytesIO(content), root, expected=Digest.of(content)).size == len(content)


def test_another_diff_id_is_an_error(root, tar):
    with pytest.raises(DigestMismatchError, match=f"unpacks to {Digest.of(b'')}"):
        tar.add("file").apply(root, expected=Digest.of(b""))


def test_times_of_any_size_are_taken(root, tar):
    tar.add("past", mtime=-86400).add("future", mtime=2**70).directory("dir", mtime=2**70)

    tar.apply(root)

    assert (root / "past").stat().st_mtime == -86400
    assert (root / "future").stat().st_mtime == 0


def test_names_that_are_not_text(root, tar):
    tar.add(os.fsdecode(b"caf\xe9"), b"latin").add("café", b"utf-8").apply(root)

    assert Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9")).read_bytes() == b"latin"
    assert (root / "café").read_bytes() == b"utf-8"
