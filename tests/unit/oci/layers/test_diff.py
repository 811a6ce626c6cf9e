import io
import os
import random
import shutil
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from amphora.core.errors import LayerError
from amphora.oci.layers.apply import apply_layer
from amphora.oci.layers.diff import write_diff, write_tree


def tar_of(root: Path, write=write_tree, **options) -> bytes:
    file = io.BytesIO()
    write(root, file, **options)
    return file.getvalue()


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar.getmembers()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One of everything that a layer can hold (and an ordinary user can make)."""
    root = tmp_path / "tree"
    long = root / ("long-" * 10) / ("name-" * 12) / ("n" * 200)
    for path in (root / "usr/bin", root / "usr/bin.d", long, root / "empty"):
        path.mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"#!/bin/sh\n" * 1000)
    (root / "usr/bin/tool").chmod(0o4711)
    (root / "usr/bin/again").hardlink_to(root / "usr/bin/tool")
    (root / "usr/bin-link").symlink_to("bin/" + "x" * 150)
    (long / "file").write_bytes(b"x")
    (root / "café").write_bytes(b"utf-8")
    Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9")).write_bytes(b"latin-1")
    os.mkfifo(root / "pipe", 0o620)
    with (root / "sparse").open("wb") as file:
        file.truncate(3_000_000)
    (root / "empty-file").touch()
    os.setxattr(root / "empty-file", "user.note", b"with = and\n and \0")
    os.setxattr(root / "empty", "user.note", b"")
    os.utime(root / "empty", ns=(5, -1_500_000_000))
    os.utime(root / "usr", (2**34, 2**34))
    return root


def test_a_tree_survives_being_packed_and_unpacked(tree, tmp_path, picture):
    (tmp_path / "copy").mkdir()

    applied = apply_layer(io.BytesIO(tar_of(tree)), tmp_path / "copy")

    assert picture(tmp_path / "copy") == picture(tree)
    assert applied.entries == len(picture(tree))
    assert tar_of(tmp_path / "copy") == tar_of(tree)


def test_gnu_tar_unpacks_the_same_tree(tree, tmp_path, picture):
    copy = tmp_path / "copy"
    copy.mkdir()
    command = ["tar", "--extract", "--preserve-permissions", "--xattrs", "--directory", copy]

    said = subprocess.run(
        command, input=tar_of(tree), check=True, stderr=subprocess.PIPE
    ).stderr.decode()

    assert picture(copy) == picture(tree), said


def test_the_order_of_creation_does_not_matter(tmp_path):
    names = [f"{a}{b}{c}" for a in "ab-" for b in ("", "/", "-") for c in "xyz"]
    contents = set()
    for seed in range(5):
        root = tmp_path / str(seed)
        random.Random(seed).shuffle(names)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
        contents.add(tar_of(root, clamp_mtime=0))

    assert len(contents) == 1


def test_entries_are_sorted_by_the_bytes_of_their_names(tree):
    with tarfile.open(fileobj=io.BytesIO(tar_of(tree)), errors="surrogateescape") as tar:
        names = [os.fsencode(member.name + "/" * member.isdir()) for member in tar]

    assert names == sorted(names)
    assert names.index(b"usr/bin.d/") < names.index(b"usr/bin/")


def test_nothing_of_the_machine_is_in_it(tree):
    for member in members(tar_of(tree, clamp_mtime=1000)).values():
        assert (member.uname, member.gname) == ("", "")
        assert member.mtime <= 1000
        assert int(member.mtime) == member.mtime
    assert members(tar_of(tree, clamp_mtime=1000))["empty"].mtime == -2


def test_pax_records_appear_only_where_ustar_does_not_suffice(tree):
    found = members(tar_of(tree))

    assert {name.split("/")[-1]: sorted(found[name].pax_headers) for name in found} == {
        "café": ["path"],
        "empty": ["SCHILY.xattr.user.note", "mtime"],
        "empty-file": ["SCHILY.xattr.user.note"],
        "latin-\udce9": ["path"],
        "long-" * 10: [],
        "name-" * 12: [],
        "n" * 200: ["path"],
        "file": ["path"],
        "pipe": [],
        "sparse": [],
        "usr": ["mtime"],
        "bin-link": ["linkpath"],
        "bin.d": [],
        "bin": [],
        "again": [],
        "tool": [],
    }


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 200, 255, 256, 257, 400])
def test_names_of_any_length(tmp_path, length):
    name = ("d" * 49 + "/") * 8
    name = name[: length - 1].rstrip("/") + "f" * (length - len(name[: length - 1].rstrip("/")))
    root = tmp_path / "root"
    (root / name).parent.mkdir(parents=True)
    (root / name).touch()

    assert name in members(tar_of(root))


def test_sockets_are_left_out(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert members(tar_of(tmp_path)) == {}


def test_a_name_that_would_be_a_whiteout_is_an_error(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/.wh.file").touch()

    with pytest.raises(LayerError, match=r"dir/\.wh\.file cannot be part of a layer"):
        tar_of(tmp_path)


def test_a_very_deep_tree_needs_neither_descriptors_nor_recursion(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    here = os.open(root, os.O_DIRECTORY)
    for _ in range(1800):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)

    assert tar_of(root).count(b"PaxHeaders/entry") > 1000
    subprocess.run(["rm", "-rf", root], check=True)


def test_opaque_marks_become_markers_and_never_attributes(tmp_path):
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/file").touch()
    os.setxattr(tmp_path / "dir", "user.overlay.opaque", b"y")
    os.setxattr(tmp_path / "dir/sub", "user.overlay.impure", b"y")
    os.setxattr(tmp_path / "dir/file", "user.overlay.origin", b"handle")

    assert list(members(tar_of(tmp_path, write_diff))) == [
        "dir",
        "dir/.wh..wh..opq",
        "dir/file",
        "dir/sub",
    ]
    assert list(members(tar_of(tmp_path, write_tree))) == ["dir", "dir/file", "dir/sub"]
    assert b"overlay" not in tar_of(tmp_path, write_diff)


@pytest.mark.parametrize("note", ["redirect", "metacopy"])
def test_an_upper_directory_that_is_not_whole_is_an_error(tmp_path, note):
    (tmp_path / "dir").mkdir()
    os.setxattr(tmp_path / "dir", f"user.overlay.{note}", b"/elsewhere")

    with pytest.raises(LayerError, match="redirect_dir or metacopy"):
        tar_of(tmp_path, write_diff)


def test_a_file_that_shrinks_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(bytes(3_000_000))

    class Meddler(io.BytesIO):
        def write(self, chunk):
            os.truncate(tmp_path / "file", 1000)
            return super().write(chunk)

    with pytest.raises(LayerError, match="file shrank"):
        write_tree(tmp_path, Meddler())


def test_a_copy_of_a_tree_gives_the_same_bytes(tree, tmp_path):
    shutil.copytree(tree / "usr", tmp_path / "copy", symlinks=True, copy_function=shutil.copy2)
    (tmp_path / "copy/bin/again").unlink()
    (tmp_path / "copy/bin/again").hardlink_to(tmp_path / "copy/bin/tool")
    shutil.copystat(tree / "usr/bin", tmp_path / "copy/bin")

    assert tar_of(tmp_path / "copy") == tar_of(tree / "usr")
