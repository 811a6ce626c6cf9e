"""Whatever a tar holds, nothing outside the root changes and every error is ours."""

import io
import os
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from amphora.core.errors import AmphoraError
from amphora.oci.layers.apply import apply_layer
from amphora.oci.layers.diff import write_tree

PLAIN = ["a", "b", "dir", "file", "to-file", "to-canary", "up"]
STRANGE = ["..", ".", "", "é", "x" * 255, "x" * 256, "\udcff", "a\nb", "-rf"]
WHITEOUTS = [".wh.a", ".wh.dir", ".wh.up", ".wh.", ".wh..", ".wh...", ".wh..wh..opq"]
AUFS = [".wh..wh.plnk", ".wh..wh.aufs", ".wh..wh."]

# Few names, so that entries meet each other and what is there.
components = st.sampled_from(PLAIN * 3 + STRANGE + WHITEOUTS + AUFS)
paths = st.builds(
    lambda start, names, end: start + "/".join(names) + end,
    st.sampled_from(["", "", "", "", "/", "//", "./", "../", "../../", "OUTSIDE/"]),
    st.lists(components, min_size=1, max_size=4) | st.lists(components, min_size=1, max_size=2),
    st.sampled_from(["", "", "/"]),
)
targets = paths | st.sampled_from(
    ["OUTSIDE/file", "OUTSIDE/canary", "../../file", "../../canary", "to-file", "up", "/"]
)
KINDS = [
    tarfile.REGTYPE,
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.AREGTYPE,
]
entries = st.lists(
    st.tuples(paths, st.sampled_from(KINDS), targets, st.integers(0, 0o7777)), max_size=15
)


def hostile_tar(entries, outside: Path) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, target, mode in entries:
            info = tarfile.TarInfo(name.replace("OUTSIDE", str(outside)))
            info.type = kind
            info.linkname = target.replace("OUTSIDE", str(outside))
            info.mode = mode | 0o700
            info.uid, info.gid = os.getuid(), os.getgid()
            info.size = 5 if kind == tarfile.REGTYPE else 0
            info.pax_headers = {"SCHILY.xattr.user.overlay.opaque": "y"}
            tar.addfile(info, io.BytesIO(b"wrote"))
    return file.getvalue()


def plant(outer: Path) -> Path:
    """A root with ways out, and around it what must not change."""
    root = outer / "deep" / "root"
    (root / "dir").mkdir(parents=True)
    (root / "a/b").mkdir(parents=True)
    (root / "dir/file").write_text("lower")
    (root / "to-canary").symlink_to(outer / "canary")
    (root / "to-file").symlink_to(outer / "file")
    (root / "dir/to-file").symlink_to("../../../file")
    (root / "up").symlink_to("../../canary")
    (root / "a/link").symlink_to("/../../../dir")
    for place in (outer / "canary", outer / "deep/canary", outer / "dir"):
        place.mkdir()
        (place / "file").write_text("untouched")
        (place / "a").symlink_to("file")
    (outer / "file").write_text("untouched")
    return root


def outside(picture, outer: Path) -> dict:
    seen = picture(outer, inodes=True)
    return {name: facts for name, facts in seen.items() if not name.startswith("deep/root")}


@given(entries)
@settings(max_examples=500)
def test_nothing_outside_changes(picture, entries):
    with tempfile.TemporaryDirectory() as name:
        outer = Path(name)
        root = plant(outer)
        before = outside(picture, outer)

        with suppress(AmphoraError):
            apply_layer(io.BytesIO(hostile_tar(entries, outer)), root)

        assert outside(picture, outer) == before
        assert "user.overlay.opaque" not in str(picture(root))


trees = st.recursive(
    st.binary(max_size=2000) | st.sampled_from([None, "target", "../é", "t" * 150]),
    lambda children: st.dictionaries(
        st.text("ab-.é\udcff", min_size=1, max_size=60).filter(
            lambda name: name not in (".", "..") and not name.startswith(".wh.")
        ),
        children,
        max_size=6,
    ),
    max_leaves=25,
)


def grow(path: Path, tree) -> None:
    """A dictionary is a directory, bytes a file, text a symlink, None a fifo."""
    if isinstance(tree, dict):
        path.mkdir(exist_ok=True)
        for name, below in tree.items():
            grow(path / name, below)
    elif isinstance(tree, bytes):
        path.write_bytes(tree)
        path.chmod(0o600 | len(tree) & 0o77)
    elif isinstance(tree, str):
        path.symlink_to(tree)
    else:
        os.mkfifo(path)
    os.utime(path, (1000, len(path.name) * 1000), follow_symlinks=False)


@given(tree=st.dictionaries(st.text("ab", min_size=1, max_size=3), trees, max_size=6))
@settings(max_examples=100)
def test_trees_survive_the_round_trip(picture, tree):
    with tempfile.TemporaryDirectory() as name:
        outer = Path(name)
        (outer / "copy").mkdir()
        grow(outer / "root", tree)
        packed = io.BytesIO()
        write_tree(outer / "root", packed)
        packed.seek(0)

        apply_layer(packed, outer / "copy")

        assert picture(outer / "copy") == picture(outer / "root")
