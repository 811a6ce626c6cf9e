"""Reading tars that anybody may have made: ustar, PAX and GNU names, in bounded memory.

Reads what Go's archive/tar reads, which is what registries are full of, with its
limits: headers about headers (PAX records, GNU long names) are at most 1 MiB.
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13
https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

import re
import struct
from collections.abc import Iterator

from msgspec import Struct, field

from amphora.core.errors import LayerError
from amphora.oci.layers.encode import BLOCK
from amphora.oci.layers.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FILE,
    Entry,
    layer_error,
    printable,
)
from amphora.oci.layers.stream import TarStream, truncated

_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_SECOND = 1_000_000_000
_LARGEST_META = 1024 * 1024
_LARGEST_ID = 2**32 - 2

_DEVICES = frozenset({CHARACTER_DEVICE, BLOCK_DEVICE})

_OLD_FILE, _CONTIGUOUS = b"\0", b"7"
_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK = b"x", b"g", b"L", b"K"
_META = frozenset({_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK})
_KINDS = frozenset({FILE, _OLD_FILE, _CONTIGUOUS, b"1", b"2", b"3", b"4", b"5", b"6"})

_ATTRIBUTE = b"SCHILY.xattr."
_TIME = re.compile(rb"(-?)([0-9]{1,30})(?:\.([0-9]*))?")


class _Extra(Struct):
    """What the headers before an entry say about it."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    name: bytes = b""
    link: bytes = b""

    def read(self, kind: bytes, content: bytes) -> None:
        """Take over a PAX or GNU header; global PAX headers do not matter to layers."""
        if kind == _PAX:
            self.records = dict(_records(content))
        elif kind == _GNU_NAME:
            self.name = _text(content)
        elif kind == _GNU_LINK:
            self.link = _text(content)


class TarReader:
    """Iterates over the entries of a tar; `content` belongs to the entry at hand.

    Content nobody asked for is skipped. Ends after the end marker, or where the stream
    ends between two entries, which Go allows. Raises LayerError for what is not a tar.
    """

    def __init__(self, stream: TarStream) -> None:
        self._stream = stream
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        extra = _Extra()
        while (header := self._stream.take(BLOCK)) and any(header):
            fields = _fields(header)
            kind, size = fields[7], _count(fields[4], "size")
            if kind in _META:
                extra.read(kind, self._meta(size))
                continue
            entry = _entry(fields, size, extra)
            extra = _Extra()
            self._start(entry.size)
            yield entry
            self._finish()
        if extra != _Extra():
            raise truncated()

    def content(self) -> Iterator[memoryview]:
        """The content of the entry at hand, in pieces, once."""
        left, self._left = self._left, 0
        return self._stream.chunks(left)

    def _start(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK

    def _finish(self) -> None:
        for _ in self.content():
            pass
        for _ in self._stream.chunks(self._padding):
            pass

    def _meta(self, size: int) -> bytes:
        if size > _LARGEST_META:
            raise _malformed(f"a header of {size} bytes")
        self._start(size)
        content = b"".join(self.content())
        self._finish()
        return content


def _fields(header: bytes) -> tuple[bytes, ...]:
    """The fields of a header whose checksum is right, summed as Sun or as POSIX had it."""
    fields: tuple[bytes, ...] = _HEADER.unpack(header)
    expected = _number(fields[6])
    actual = sum(header) - sum(fields[6]) + 8 * ord(" ")
    if actual != expected:
        signed = actual - 256 * sum(byte > 127 for byte in header[:148] + header[156:])
        if signed != expected:
            raise _malformed("a header's checksum is wrong")
    return fields


def _entry(fields: tuple[bytes, ...], size: int, extra: _Extra) -> Entry:
    records = extra.records
    name = extra.name or records.get(b"path") or _ustar_name(fields)
    kind = _kind(fields[7], name)
    if kind == FILE and b"size" in records:
        size = _decimal(records[b"size"], "size")
    return Entry(
        name=name,
        kind=kind,
        mode=_number(fields[1]) & 0o7777,
        uid=_identity(fields[2], records.get(b"uid")),
        gid=_identity(fields[3], records.get(b"gid")),
        size=size if kind == FILE else 0,
        mtime=_time(records[b"mtime"]) if records.get(b"mtime") else _number(fields[5]) * _SECOND,
        link=extra.link or records.get(b"linkpath") or _text(fields[8]),
        device=_device(fields) if kind in _DEVICES else (0, 0),
        attributes=_attributes(records),
    )


def _device(fields: tuple[bytes, ...]) -> tuple[int, int]:
    return _count(fields[12], "device"), _count(fields[13], "device")


def _kind(flag: bytes, name: bytes) -> bytes:
    """The kind of an entry, old ways of saying it translated."""
    if flag not in _KINDS:
        raise _malformed(f"{printable(name)} is of the unknown kind {printable(flag)}")
    if flag == _OLD_FILE and name.endswith(b"/"):
        return DIRECTORY
    return FILE if flag in (_OLD_FILE, _CONTIGUOUS) else flag


def _ustar_name(fields: tuple[bytes, ...]) -> bytes:
    """Only POSIX's own magic has a prefix; GNU keeps other things in that place."""
    name, prefix = _text(fields[0]), _text(fields[14])
    return prefix + b"/" + name if prefix and fields[9].startswith(b"ustar\0") else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Octal digits, or GNU's and star's base 256 if the highest bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field)
        bits = 8 * len(field)
        return value - (1 << bits) if field[0] & 0x40 else value - (1 << (bits - 1))
    digits = field.strip(b" \0").partition(b"\0")[0]
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise _malformed(f"{printable(field)} is not a number") from None


def _count(field: bytes, name: str) -> int:
    number = _number(field)
    if number < 0:
        raise _malformed(f"the {name} {number} is negative")
    return number


def _decimal(value: bytes, name: str) -> int:
    if not value.isdigit() or len(value) > 19:
        raise _malformed(f"the {name} {printable(value)} is not a number")
    return int(value)


def _identity(field: bytes, record: bytes | None) -> int:
    """A user or group id; the largest one means "do not change" to the kernel."""
    number = _decimal(record, "owner") if record else _count(field, "owner")
    if number > _LARGEST_ID:
        raise _malformed(f"there is no owner {number}")
    return number


def _time(value: bytes) -> int:
    """Seconds with a fraction, as nanoseconds."""
    match = _TIME.fullmatch(value)
    if match is None:
        raise _malformed(f"the time {printable(value)} is not a number")
    sign, seconds, fraction = match.groups(b"")
    nanoseconds = int(seconds) * _SECOND + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if sign else nanoseconds


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The `LENGTH KEY=VALUE` lines of a PAX header."""
    position = 0
    while position < len(content):
        digits, space, _ = content[position : position + 20].partition(b" ")
        length = _decimal(digits, "length") if space else 0
        record = content[position + len(digits) + 1 : position + length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not (key and equals and record.endswith(b"\n")) or position + length > len(content):
            raise _malformed("a PAX record does not parse")
        if key.startswith(b"GNU.sparse."):
            raise _malformed("it has sparse files, which the OCI image specification forbids")
        if b"\0" in key or (b"\0" in value and key in (b"path", b"linkpath")):
            raise _malformed("a name has a NUL in it")
        yield key, value
        position += length


def _attributes(records: dict[bytes, bytes]) -> dict[str, bytes]:
    return {
        key.removeprefix(_ATTRIBUTE).decode(errors="surrogateescape"): value
        for key, value in records.items()
        if key.startswith(_ATTRIBUTE)
    }


def _malformed(why: str) -> LayerError:
    return layer_error("a layer is not a well-formed tar", why)
