"""Reading an untrusted tar of plain files front to back, in bounded memory.

Enough of POSIX `ustar` and `pax` for image archives, whose names are short and whose
files may be large: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
(File systems are another matter: see `amphora.oci.layers`.)
"""

import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from amphora.core.errors import ManifestError

_CHUNK = 1 << 20
_MAX_EXTENDED_HEADER = 1 << 20
_SIZE_RECORD = re.compile(rb"(?:^|\n)\d+ size=(\d{1,19})(?=\n)")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")


class Member(Struct, frozen=True):
    """One regular file: `content` yields its bytes and is to be used before the next member."""

    name: str
    size: int
    content: Iterator[bytes]

    def read(self, limit: int) -> bytes:
        """A small file as a whole; raises ManifestError beyond `limit` bytes."""
        if self.size > limit:
            raise malformed(f"its {self.name} has {self.size} bytes")
        return b"".join(self.content)


def members(archive: BinaryIO) -> Iterator[Member]:
    """Yield the regular files of a tar, passing over everything else.

    Raises ManifestError when it is truncated or is not a tar.
    """
    extended_size: int | None = None
    while (header := _header(archive)) is not None:
        size = header.size if extended_size is None else extended_size
        extended_size = None
        content = _content(archive, size)
        if header.type == tarfile.XHDTYPE:
            extended_size = _extended_size(Member("extended header", size, content))
        elif header.type in {tarfile.REGTYPE, tarfile.AREGTYPE}:
            yield Member(header.name.removeprefix("./"), size, content)
        for _ in content:
            pass
        _exactly(archive, -size % tarfile.BLOCKSIZE)


def malformed(why: str) -> ManifestError:
    return ManifestError(
        "the image archive cannot be read",
        why=why,
        next_command="make it again, for example with `amphora build --output type=oci,dest=FILE`",
    )


def _header(archive: BinaryIO) -> tarfile.TarInfo | None:
    """The next header; None at the end, be it marked or not."""
    block = archive.read(tarfile.BLOCKSIZE)
    if not block or not block.strip(b"\0"):
        return None
    if block.startswith(_COMPRESSED):
        raise malformed("it is compressed; uncompress it first")
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise malformed(f"it is truncated or not a tar: {error}") from error
    if header.size < 0:
        raise malformed(f"the size of {header.name[:100]!r} is negative")
    return header


def _content(archive: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        chunk = archive.read(min(size, _CHUNK))
        if not chunk:
            raise malformed("it is truncated")
        size -= len(chunk)
        yield chunk


def _exactly(archive: BinaryIO, size: int) -> None:
    """Pass over `size` bytes, which must be there."""
    for _ in _content(archive, size):
        pass


def _extended_size(header: Member) -> int | None:
    """The size that a pax header gives the next member, which plain ustar could not hold."""
    found = _SIZE_RECORD.findall(header.read(_MAX_EXTENDED_HEADER))
    return int(found[-1]) if found else None
