"""What the cases are held to sees every difference: kinds, modes, owners, contents, removals."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from conformance.look import NOTHING, Image, read_image


def put(layout: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return f"sha256:{digest}"


def layer(layout: Path, *entries: tuple) -> str:
    """Each entry: name, kind, mode, owner, content or target."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, kind, mode, owner, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = kind, mode, owner, owner
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
            else:
                info.linkname = content
                tar.addfile(info)
    return put(layout, made.getvalue())


def image(layout: Path, *layers: str) -> Image:
    ids = [f"of {digest}" for digest in layers]
    config = {"config": {"User": "", "Cmd": ["a"]}, "rootfs": {"diff_ids": ids}}
    manifest = {
        "config": {"digest": put(layout, json.dumps(config).encode())},
        "layers": [{"digest": digest} for digest in layers],
    }
    return read_image(layout, put(layout, json.dumps(manifest).encode()))


F, D, L, H = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.fixture
def below(tmp_path):
    return layer(
        tmp_path,
        ("d", D, 0o755, 0, ""),
        ("d/one", F, 0o644, 0, "1"),
        ("d/two", F, 0o644, 0, "2"),
        ("link", L, 0o777, 0, "d/one"),
    )


def test_every_kind_of_file_has_its_line(tmp_path, below):
    found = image(tmp_path, below)
    assert found.beyond(NOTHING) == [
        '644 0:0 /d/one "1"',
        '644 0:0 /d/two "2"',
        "755 0:0 /d/",
        "777 0:0 /link -> d/one",
    ]
    assert found.config == {"Cmd": ["a"]}


@pytest.mark.parametrize(
    ("entries", "lines"),
    [
        ([("d/one", F, 0o644, 0, "1")], []),
        ([("d/one", F, 0o600, 0, "1")], ['600 0:0 /d/one "1"']),
        ([("d/one", F, 0o644, 5, "1")], ['644 5:5 /d/one "1"']),
        ([("d/one", F, 0o644, 0, "0")], ['644 0:0 /d/one "0"']),
        ([("d/.wh.one", F, 0, 0, "")], ["gone /d/one"]),
        ([(".wh.d", F, 0, 0, "")], ["gone /d", "gone /d/one", "gone /d/two"]),
        ([("d/.wh..wh..opq", F, 0, 0, "")], ["gone /d/one", "gone /d/two"]),
        ([("d", F, 0o644, 0, "")], ['644 0:0 /d ""', "gone /d/one", "gone /d/two"]),
        ([("new", H, 0o644, 0, "d/one")], ['644 0:0 /new "1"']),
        ([("a/b", F, 0o644, 0, "")], ['644 0:0 /a/b ""', "755 0:0 /a/"]),
        ([("link", L, 0o777, 0, "d/two")], ["777 0:0 /link -> d/two"]),
        (
            [("d", D, 0o755, 0, ""), ("d/.wh..wh..opq", F, 0, 0, ""), ("d/one", F, 0o644, 0, "1")],
            ["gone /d/two"],
        ),
    ],
)
def test_every_change_is_seen(tmp_path, below, entries, lines):
    base = image(tmp_path, below)
    changed = image(tmp_path, below, layer(tmp_path, *entries))
    assert changed.starts_with(base)
    assert changed.beyond(base) == lines


def test_a_long_content_is_its_digest(tmp_path):
    found = image(tmp_path, layer(tmp_path, ("a", F, 0o644, 0, "x" * 500)))
    [line] = found.beyond(NOTHING)
    assert line.startswith("644 0:0 /a sha256:")
