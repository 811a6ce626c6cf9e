import io
import os
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amphora.core.errors import LayerError
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.encode import END, encode, padding
from amphora.oci.layers.entry import FILE, Entry
from amphora.oci.layers.stream import TarStream


def read(content: bytes) -> list[tuple[Entry, bytes]]:
    with TarStream(io.BytesIO(content), 10**9) as stream:
        tar = TarReader(stream)
        return [(entry, b"".join(tar.content())) for entry in tar]


def pax(**records: str) -> bytes:
    info = tarfile.TarInfo("file")
    info.pax_headers = {key.replace("__", "."): value for key, value in records.items()}
    return info.tobuf(tarfile.PAX_FORMAT) + END


names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name)


@given(
    st.builds(
        Entry,
        name=names,
        kind=st.sampled_from([b"0", b"1", b"2", b"6"]),
        mode=st.integers(0, 0o7777),
        uid=st.integers(0, 2**32 - 2),
        gid=st.integers(0, 2**32 - 2),
        mtime=st.integers(-(2**40), 2**40).map(lambda seconds: seconds * 10**9),
        link=names,
        attributes=st.dictionaries(
            st.text("abcé.", min_size=1).map("user.".__add__), st.binary(max_size=200)
        ),
    ),
    st.binary(max_size=1500),
)
@settings(max_examples=300)
def test_what_is_encoded_is_decoded(entry, content):
    size = len(content) if entry.kind == FILE else 0
    entry = Entry(**{name: getattr(entry, name) for name in Entry.__slots__} | {"size": size})
    packed = encode(entry) + content[:size] + padding(size) + END

    assert read(packed) == [(entry, content[:size])]


@pytest.mark.parametrize("style", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_every_format_of_gnu_tar_reads_the_same(tmp_path: Path, style):
    long = "" if style == "v7" else "/".join(["n" * 60] * (3 if style == "ustar" else 6))
    (tmp_path / "dir" / long).mkdir(parents=True)
    (tmp_path / "dir" / long / "file").write_bytes(b"content" * 300)
    (tmp_path / "dir/link").symlink_to("target" if style in ("v7", "ustar") else "t" * 200)
    os.utime(tmp_path / "dir/link", (1000, 1000), follow_symlinks=False)

    packed = subprocess.check_output(
        ["tar", f"--format={style}", "-C", tmp_path, "--sort=name", "-c", "dir"]
    )
    found = {entry.name.rstrip(b"/"): (entry, content) for entry, content in read(packed)}

    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        expected = {os.fsencode(member.name): member for member in tar}
    assert found.keys() == expected.keys()
    for name, (entry, content) in found.items():
        member = expected[name]
        assert (entry.mode, entry.uid, entry.gid) == (member.mode, member.uid, member.gid)
        assert entry.kind == member.type.replace(b"\0", b"0")
        assert entry.link == os.fsencode(member.linkname)
        assert (entry.size, len(content)) == (member.size, member.size)
        assert abs(entry.mtime / 10**9 - member.mtime) < 1e-6


def test_an_old_directory_is_a_file_with_a_slash():
    info = tarfile.TarInfo("dir/")
    info.type = tarfile.AREGTYPE

    [(entry, _)] = read(info.tobuf(tarfile.USTAR_FORMAT) + END)

    assert entry.kind == b"5"


def test_pax_records_win_and_fractions_count():
    [(entry, _)] = read(pax(path="other", uid="3000000", mtime="-1.25", comment="ignored"))

    assert (entry.name, entry.uid, entry.mtime) == (b"other", 3_000_000, -1_250_000_000)


def test_global_records_are_ignored():
    header = tarfile.TarInfo.create_pax_global_header({"path": "everything"})

    [(entry, _)] = read(header + tarfile.TarInfo("file").tobuf() + END)

    assert entry.name == b"file"


def test_a_stream_may_end_without_its_marker_between_two_entries():
    assert [entry.name for entry, _ in read(tarfile.TarInfo("file").tobuf())] == [b"file"]
    assert read(b"") == []


def test_every_cut_inside_an_entry_is_an_error():
    info = tarfile.TarInfo("file")
    info.size = 1000
    info.pax_headers = {"comment": "anything"}
    header = info.tobuf(tarfile.PAX_FORMAT)
    packed = header + bytes(1024)

    for cut in [*range(1, 512), *range(512, len(packed), 128)]:
        with pytest.raises(LayerError):
            read(packed[:cut])


def raw(**fields: bytes) -> bytes:
    """A header with some of its fields overwritten, its checksum made right."""
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136, "kind": 156}
    header = bytearray(tarfile.TarInfo("file").tobuf())
    for name, value in fields.items():
        header[places[name] : places[name] + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + END


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x" * 1024, "is not a number"),
        (bytes(100) + b"x" * 412 + END, "is not a number"),
        (raw()[:10] + b"y" + raw()[11:], "checksum is wrong"),
        (raw(kind=b"S"), "unknown kind S"),
        (raw(kind=b"\x1b"), r"unknown kind \\x1b"),
        (raw(size=b"abc"), "'abc.*|is not a number"),
        (raw(size=b"\xff" * 12), "size -1 is negative"),
        (raw(uid=b"\xff" * 8), "owner -1 is negative"),
        (raw(uid=b"\x80" + b"\xff" * 7), "there is no owner"),
        (raw(kind=b"x", size=b"00010000000\0"), "a header of 2097152 bytes"),
        (raw(size=b"\x80" + b"\x7f" * 11), "truncated"),
        (pax(size="-1"), "size -1 is not a number"),
        (pax(size="1_0"), "size 1_0 is not a number"),
        (pax(uid="4294967295"), "there is no owner 4294967295"),
        (pax(mtime="soon"), "time soon is not a number"),
        (pax(GNU__sparse__major="1"), "sparse"),
        (pax(path="a\0b"), "NUL"),
        (pax(comment="x").replace(b"13 comment", b"99 comment"), "PAX record does not parse"),
        (pax(comment="x")[:1024] + END, "truncated"),
    ],
)
def test_what_is_not_a_tar_is_a_layer_error(content, why):
    with pytest.raises(LayerError, match=why):
        read(content)


@given(st.data())
@settings(max_examples=300)
def test_altered_tars_are_read_or_refused(data):
    content = bytearray(pax(path="p" * 120, mtime="1.5", SCHILY__xattr__user="v"))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):  # repair the checksums, to get deeper
        for start in range(0, len(content), 512):
            if any(header := content[start : start + 512]):
                header[148:156] = b" " * 8
                content[start + 148 : start + 156] = b"%06o\0 " % sum(header)

    with suppress(LayerError):
        read(bytes(content))
