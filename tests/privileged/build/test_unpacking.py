"""ADD of local tars: recognised by content, unpacked without ever leaving the destination."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
from pathlib import Path

import pytest
import zstandard

from amphora.build.copying import CopyRules, copy_sources
from amphora.build.filetree import FileTree
from amphora.build.unpacking import is_archive
from amphora.core.errors import ContextError
from amphora.runtime.spec import User

pytestmark = pytest.mark.privileged

OLD = 1_000_000_000
COMPRESSIONS = {
    "identity": lambda content: content,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def tar(*entries, style=tarfile.GNU_FORMAT):
    """A tar of (name, fields) pairs; `content` is one of the fields."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=style) as archive:
        for name, fields in entries:
            content = fields.pop("content", b"")
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), OLD
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def file(name, content=b"content", **fields):
    return name, {"content": content, **fields}


def directory(name, **fields):
    return name, {"type": tarfile.DIRTYPE, "mode": 0o755, **fields}


def symlink(name, target):
    return name, {"type": tarfile.SYMTYPE, "linkname": target}


def hardlink(name, target):
    return name, {"type": tarfile.LNKTYPE, "linkname": target}


@pytest.fixture
def add(tmp_path, root):
    """Write a file into a context and ADD it to a destination in the root."""
    context = tmp_path / "context"
    context.mkdir()

    def add(content, destination="/", name="archive", **rules):
        (context / name).write_bytes(content)
        os.utime(context / name, (OLD + 7, OLD + 7))
        sources = FileTree(context).find(name)
        copy_sources(sources, root, destination, CopyRules(owner=User(), unpack=True, **rules))

    return add


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tar_is_unpacked_whatever_it_is_compressed_with(root, add, compression):
    content = os.urandom(100_000)
    archive = tar(directory("d"), file("d/f", content, mode=0o4711, uid=8, gid=12))
    add(COMPRESSIONS[compression](archive), "/new/place")
    unpacked = root / "new/place/d/f"
    status = unpacked.stat()
    assert unpacked.read_bytes() == content
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (8, 12, 0o4711)
    assert status.st_mtime == OLD


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_style_of_tar_counts(root, add, style):
    add(tar(file("a/" + "n" * 90), style=style))
    assert (root / "a" / ("n" * 90)).read_bytes() == b"content"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text\n",
        b"text\n" * 1000,
        bytes(10240),
        gzip.compress(b"text" * 1000, mtime=0),
        bz2.compress(b"text"),
        lzma.compress(b"text"),
        zstandard.ZstdCompressor().compress(b"text"),
        gzip.compress(tar(file("f")), mtime=0)[:30],
        b"BZh9 not bzip2 at all",
        b"\xfd7zXZ\0 not xz at all",
        b"\x1f\x8b not gzip at all",
        b"PK\x03\x04",
    ],
)
def test_whatever_is_not_a_tar_is_copied(root, add, content):
    add(content, "/new/", name="archive.tar.gz")
    assert (root / "new/archive.tar.gz").read_bytes() == content
    assert [path.name for path in (root / "new").iterdir()] == ["archive.tar.gz"]


def test_copy_does_not_unpack(root, tmp_path):
    (tmp_path / "a.tar").write_bytes(tar(file("f")))
    copy_sources(FileTree(tmp_path).find("a.tar"), root, "/", CopyRules())
    assert [path.name for path in root.iterdir()] == ["a.tar"]


def test_directories_pipes_and_links_are_no_archives(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "real").write_bytes(tar(file("f")))
    assert is_archive(tmp_path / "real")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "pipe")
    assert not is_archive(tmp_path / "missing")


def test_what_is_in_the_way_is_replaced_and_directories_are_merged(root, add):
    (root / "d").mkdir()
    (root / "d/kept").write_text("kept")
    (root / "d/old").write_text("old")
    (root / "was-directory/x").mkdir(parents=True)
    (root / "was-file").write_text("x")
    add(
        tar(
            directory("d", mode=0o700),
            file("d/old", b"new"),
            file("was-directory"),
            directory("was-file"),
        )
    )
    assert (root / "d/kept").read_text() == "kept"
    assert (root / "d/old").read_text() == "new"
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o700
    assert (root / "was-directory").is_file()
    assert (root / "was-file").is_dir()


def test_names_of_whiteouts_mean_nothing_here(root, add):
    (root / "victim").write_text("here")
    (root / "d").mkdir()
    (root / "d/victim").write_text("here")
    add(tar(file(".wh.victim"), file("d/.wh..wh..opq")))
    assert (root / "victim").exists()
    assert (root / "d/victim").exists()
    assert (root / ".wh.victim").exists()


def test_links_are_kept(root, add):
    add(tar(file("f"), hardlink("d/same", "f"), symlink("link", "/etc/passwd")), "/opt")
    assert (root / "opt/d/same").stat().st_ino == (root / "opt/f").stat().st_ino
    assert (root / "opt/link").readlink() == Path("/etc/passwd")


def test_devices_are_left_out(root, add):
    add(tar(("dev/null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}), file("f")))
    assert [path.name for path in root.rglob("*")] == ["f"]


def test_times_come_from_the_tar_or_stay_what_they_were(root, add):
    (root / "there").mkdir()
    for path in (root / "there", root):
        os.utime(path, (OLD - 5, OLD - 5))
    add(tar(directory("own"), file("own/f"), file("there/f"), file("implied/f")))
    times = {path.name: path.stat().st_mtime - OLD for path in (*root.iterdir(), root)}
    assert times == {"own": 0, "there": -5, "implied": 7, "root": -5}


def test_implied_directories_get_the_time_that_is_given(root, add):
    add(tar(file("a/b/f")), "/new/", mtime=OLD + 9)
    times = {path.name: path.stat().st_mtime - OLD for path in root.rglob("*")}
    assert times == {"new": 9, "a": 9, "b": 9, "f": 0}


@pytest.mark.parametrize(
    "entries",
    [
        [file("../evil")],
        [file("../../../../evil")],
        [file("a/../../evil")],
        [file("/evil")],
        [symlink("up", ".."), file("up/evil")],
        [symlink("up", "/"), file("up/evil")],
        [symlink("a", "../.."), symlink("b", "a/.."), file("b/evil")],
        [symlink("up", "../../outside"), file("up/evil")],
        [symlink("evil", "../../outside/canary"), file("evil")],
        [directory("d"), symlink("d", "../.."), file("d/evil")],
        [symlink("there/deep", "../../.."), file("there/deep/evil")],
    ],
)
def test_a_hostile_tar_touches_nothing_outside_the_destination(root, add, entries):
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "canary").write_text("safe")
    (root / "new/there").mkdir(parents=True)
    (root / "new/link").symlink_to("../../outside")
    add(tar(*entries), "/new")
    assert {path.name for path in root.parent.iterdir()} == {"context", "outside", "root"}
    assert {path.name for path in root.iterdir()} == {"new"}
    assert [path.read_text() for path in outside.iterdir()] == ["safe"]


@pytest.mark.parametrize("target", ["../../outside/canary", "/canary", "nothing"])
def test_a_hardlink_to_something_outside_is_refused(root, add, target):
    (root.parent / "outside").mkdir()
    (root.parent / "outside/canary").write_text("safe")
    (root / "canary").write_text("safe")
    with pytest.raises(ContextError, match="cannot unpack archive"):
        add(tar(hardlink("mine", target)), "/new")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_damaged_tar_is_an_error(add, compression):
    whole = COMPRESSIONS[compression](tar(file("f", os.urandom(3_000_000))))
    with pytest.raises(ContextError, match="cannot unpack archive"):
        add(whole[: len(whole) // 2])


def test_a_file_in_the_place_of_the_destination_is_an_error(root, add):
    (root / "taken").write_text("x")
    with pytest.raises(ContextError, match="/taken"):
        add(tar(file("f")), "/taken")
