"""Layers made from, and unpacked onto, real overlays, as root of a namespace of our own."""

import io
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from amphora.core.errors import DiskFullError, LayerError
from amphora.oci.blobs import BlobStore
from amphora.oci.layers.apply import apply_layer
from amphora.oci.layers.diff import write_diff, write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.system import syscalls

pytestmark = pytest.mark.privileged

RUNNER = """
import importlib.util, sys, traceback
from pathlib import Path
from amphora.system.namespace import run_inside
spec = importlib.util.spec_from_file_location("scenarios", sys.argv[1])
scenarios = importlib.util.module_from_spec(spec)
spec.loader.exec_module(scenarios)

def run():
    try:
        getattr(scenarios, sys.argv[2])(Path(sys.argv[3]))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

sys.exit(run_inside(run))
"""

SCENARIOS = [
    "a_diff_applied_elsewhere_gives_the_same_tree",
    "owners_capabilities_and_special_modes_survive",
    "whiteouts_applied_to_an_overlay_hide_what_is_below",
    "devices_are_never_made_not_even_by_root",
    "an_owner_the_namespace_lacks_is_explained",
    "a_full_disk_is_said",
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_inside(tmp_path, scenario):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNNER, __file__, scenario, tmp_path],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@contextmanager
def overlay(area: Path, lower: Path):
    """Mount an overlay over `lower`; gives its root and its upper directory."""
    root, upper, work = (area / name for name in ("root", "upper", "work"))
    for path in (area, root, upper, work):
        path.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work},userxattr"
    syscalls.mount("overlay", root, "overlay", 0, options)
    try:
        yield root, upper
    finally:
        syscalls.unmount(root)


def grow(root: Path) -> None:
    """What the lower layer holds."""
    for name in ("kept", "replaced", "emptied/below", "removed/below", "becomes-file", "moved"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text(f"lower {name}")
    (root / "becomes-dir").write_text("lower")
    (root / "linked").write_text("lower")
    (root / "chmodded").write_text("lower")
    os.setxattr(root / "kept", "user.note", b"lower")


def change(root: Path) -> None:
    """Everything that a step can do to a tree."""
    (root / "kept/new").write_text("upper")
    shutil.rmtree(root / "replaced")
    (root / "replaced").mkdir()
    (root / "replaced/other").write_text("upper")
    shutil.rmtree(root / "emptied/below")
    shutil.rmtree(root / "removed")
    shutil.rmtree(root / "becomes-file")
    (root / "becomes-file").write_text("upper")
    (root / "becomes-dir").unlink()
    (root / "becomes-dir").mkdir()
    shutil.move(root / "moved", root / "moved-here")
    (root / "link").hardlink_to(root / "linked")
    (root / "chmodded").chmod(0o4755)
    os.chown(root / "chmodded", 1000, 2000)
    (root / "symlink").symlink_to("/kept/new")
    os.mkfifo(root / "pipe")


def picture(root: Path) -> dict[str, tuple]:
    seen = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = Path(directory, name)
            status = path.lstat()
            facts = [status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns // 10**9]
            if stat.S_ISREG(status.st_mode):
                facts.append(path.read_bytes())
            if not path.is_symlink():
                notes = [note for note in os.listxattr(path) if "overlay" not in note]
                facts += [(note, os.getxattr(path, note)) for note in sorted(notes)]
            seen[str(path.relative_to(root))] = tuple(facts)
    return seen


def a_diff_applied_elsewhere_gives_the_same_tree(area: Path) -> None:
    lower = area / "lower"
    grow(lower)
    layer = io.BytesIO()
    with overlay(area / "first", lower) as (root, upper):
        change(root)
        expected = picture(root)
        write_diff(upper, layer)

    with tarfile.open(fileobj=io.BytesIO(layer.getvalue())) as tar:
        names = tar.getnames()
    assert [name for name in names if ".wh." in name] == [
        ".wh.moved",
        ".wh.removed",
        "becomes-dir/.wh..wh..opq",
        "emptied/.wh.below",
        "replaced/.wh..wh..opq",
    ], names
    assert not any("kept/file" in name for name in names)

    layer.seek(0)
    with overlay(area / "second", lower) as (root, _):
        apply_layer(layer, root)
        assert picture(root) == expected
        assert (root / "link").samefile(root / "linked")
    layer.seek(0)
    plain = area / "plain"
    shutil.copytree(lower, plain, symlinks=True)
    apply_layer(layer, plain)
    assert picture(plain).keys() == expected.keys()


def owners_capabilities_and_special_modes_survive(area: Path) -> None:
    tree = area / "tree"
    (tree / "dir").mkdir(parents=True)
    os.chown(tree / "dir", 1000, 50)
    (tree / "dir").chmod(0o3777)
    tool = tree / "dir/tool"
    tool.write_bytes(b"tool")
    os.chown(tool, 12, 34)
    tool.chmod(0o6755)
    # Version 2, effective, cap_net_raw permitted: linux/capability.h.
    capability = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
    os.setxattr(tool, "security.capability", capability)
    (tree / "dir/link").symlink_to("tool")
    os.chown(tree / "dir/link", 7, 8, follow_symlinks=False)
    os.mkfifo(tree / "dir/pipe", 0o600)
    os.chown(tree / "dir/pipe", 9, 10)
    layer = io.BytesIO()
    write_tree(tree, layer)
    layer.seek(0)

    (area / "copy").mkdir()
    apply_layer(layer, area / "copy")

    assert picture(area / "copy") == picture(tree)
    assert os.getxattr(area / "copy/dir/tool", "security.capability") == capability


def whiteouts_applied_to_an_overlay_hide_what_is_below(area: Path) -> None:
    lower = area / "lower"
    grow(lower)
    with overlay(area / "layer", lower) as (root, upper):
        apply_layer(
            tar_of(".wh.linked", "kept/.wh.file", "removed/.wh..wh..opq", "removed/new"), root
        )
        assert not (root / "linked").exists()
        assert list((root / "kept").iterdir()) == []
        assert [path.name for path in (root / "removed").iterdir()] == ["new"]
        status = (upper / "linked").lstat()
        assert stat.S_ISCHR(status.st_mode)
        assert status.st_rdev == 0
    assert (lower / "linked").exists()


def tar_of(*names: str, **fields) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    file.seek(0)
    return file


def devices_are_never_made_not_even_by_root(area: Path) -> None:
    (area / "root").mkdir()
    applied = apply_layer(tar_of("null", type=tarfile.CHRTYPE), area / "root")
    assert applied.skipped == ("device null",)
    assert list((area / "root").iterdir()) == []


def an_owner_the_namespace_lacks_is_explained(area: Path) -> None:
    (area / "root").mkdir()
    with pytest.raises(LayerError, match="cannot belong to 4294967294:0") as caught:
        apply_layer(tar_of("file", uid=2**32 - 2), area / "root")
    assert "/etc/subuid" in caught.value.next_command


def a_full_disk_is_said(area: Path) -> None:
    syscalls.mount("none", area, "tmpfs", 0, "size=2m")
    (area / "root").mkdir()
    blobs = BlobStore(area / "store")
    with pytest.raises(DiskFullError):
        apply_layer(tar_of("file", size=4_000_000), area / "root")
    shutil.rmtree(area / "root")
    with pytest.raises(DiskFullError):
        write_random(blobs)
    assert list(blobs) == []
    assert list(blobs.ingest.iterdir()) == []


def write_random(blobs: BlobStore) -> None:
    with LayerWriter(blobs) as writer:
        writer.write(os.urandom(4_000_000))
        writer.commit()
