"""Writing tar headers: ustar, and a PAX record for exactly what ustar cannot say.

One value has one encoding, so that equal trees give equal bytes.
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13
"""

import struct

from amphora.oci.layers.entry import Entry

BLOCK = 512

#: What a tar ends with.
END = bytes(2 * BLOCK)

_SECOND = 1_000_000_000

# name, mode, uid, gid, size, mtime, checksum, kind, link, magic, user, group, device, prefix
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_PAX_HEADER_NAME = b"PaxHeaders/entry"
_PAX = b"x"


def encode(entry: Entry) -> bytes:
    """The blocks that stand before an entry's content.

    A directory's name must end in a slash; the time is cut to whole seconds.
    """
    records: dict[bytes, bytes] = {}
    prefix, name = _split(entry.name)
    if name is None:
        records[b"path"] = entry.name
        name = _shortened(entry.name)
    link = entry.link
    if len(link) > 100 or not link.isascii():
        records[b"linkpath"] = link
        link = _shortened(link)
    for attribute, value in entry.attributes.items():
        records[b"SCHILY.xattr." + attribute.encode(errors="surrogateescape")] = value
    header = _HEADER.pack(
        name,
        b"%07o" % entry.mode,
        _number(entry.uid, 7, b"uid", records),
        _number(entry.gid, 7, b"gid", records),
        _number(entry.size, 11, b"size", records),
        _number(entry.mtime // _SECOND, 11, b"mtime", records),
        b" " * 8,
        entry.kind,
        link,
        b"ustar\x0000",
        b"",
        b"",
        b"%07o" % entry.device[0],
        b"%07o" % entry.device[1],
        prefix,
    )
    return (_pax(records) if records else b"") + _checked(header)


def padding(size: int) -> bytes:
    """The zeros that fill the last block of content of that size."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """A name as ustar's prefix and name; the latter is None if it does not fit."""
    if not name.isascii():
        return b"", None
    if len(name) <= 100:
        return b"", name
    # Not the slash that ends a directory's name.
    slash = name.rfind(b"/", 0, min(156, len(name) - 1))
    rest = name[slash + 1 :]
    if slash <= 0 or not 0 < len(rest) <= 100:
        return b"", None
    return name[:slash], rest


def _shortened(name: bytes) -> bytes:
    """What a reader that does not know PAX is shown."""
    return bytes(byte if byte < 128 else 0x5F for byte in name[:99]) or b"_"


def _number(value: int, digits: int, key: bytes, records: dict[bytes, bytes]) -> bytes:
    if 0 <= value < 8**digits:
        return b"%0*o" % (digits, value)
    records[key] = b"%d" % value
    return b"0" * digits


def _pax(records: dict[bytes, bytes]) -> bytes:
    content = b"".join(_record(key, records[key]) for key in sorted(records))
    header = encode(Entry(_PAX_HEADER_NAME, _PAX, size=len(content)))
    return header + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _checked(header: bytes) -> bytes:
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]
