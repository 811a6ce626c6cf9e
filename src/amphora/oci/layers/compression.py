"""Reading a layer whatever it is compressed with, in bounded memory.

The content decides, not the media type: registries hold layers whose label is wrong.
"""

import io
from collections.abc import Callable
from typing import Any, Protocol, cast

import zstandard
from isal import igzip, isal_zlib

from amphora.core.errors import LayerError
from amphora.oci.layers.compressors import Compression

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# A skippable frame may come first; the low half of its first byte is free (RFC 8878, 3.1.2).
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"

# zstd makes at most 128 KiB of 3 bytes, so that one helping never exceeds 86 MiB.
_ZSTD_HELPING = 2048

# What `zstd --ultra --long=27` needs; a frame may ask for terabytes (RFC 8878, 3.1.1.1.2).
_ZSTD_LARGEST_WINDOW = 128 * 1024 * 1024

# What isal leaves untyped.
_GzipFile = cast(Callable[..., io.BufferedIOBase], igzip.IGzipFile)
_IsalError = cast(type[Exception], isal_zlib.error)


class Reader(Protocol):
    """Whatever gives bytes: at most `size` of them, and none only at the end."""

    def read(self, size: int, /) -> bytes: ...


def detect(start: bytes) -> Compression:
    """Tell the compression from the first four bytes (or more) of a layer."""
    if start.startswith(_GZIP):
        return "gzip"
    if start.startswith(_ZSTD) or (start[1:4] == _ZSTD_SKIPPABLE and start[0] >> 4 == 5):
        return "zstd"
    return "none"


class LayerReader:
    """The tar inside a layer; several gzip members or zstd frames are read as one.

    Reads on from where `file` is, which stays the caller's to close. `compression` is
    what the layer turned out to be. `read` raises LayerError for a stream that is
    damaged or ends too early.
    """

    def __init__(self, file: Reader) -> None:
        start = file.read(4)
        self.compression = detect(start)
        self._source = _decompressed(_Rejoined(start, file), self.compression)

    def read(self, size: int, /) -> bytes:
        try:
            return self._source.read(size) or b""
        except (EOFError, igzip.BadGzipFile, _IsalError, zstandard.ZstdError) as error:
            raise LayerError(
                f"the {self.compression} stream of a layer is damaged",
                why=str(error).lower(),
                next_command="pull or build the image again",
            ) from error


def _decompressed(file: io.RawIOBase, compression: Compression) -> io.IOBase:
    if compression == "gzip":
        return _GzipFile(fileobj=file, mode="rb")
    return _ZstdFrames(file) if compression == "zstd" else file


class _Rejoined(io.RawIOBase):
    """A file whose first bytes were already read."""

    def __init__(self, start: bytes, file: Reader) -> None:
        self._start = start
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._start[: len(buffer)] or self._file.read(len(buffer))
        self._start = self._start[len(chunk) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _ZstdFrames(io.RawIOBase):
    """zstd frames, read with the call of the library that tells a frame's end from a cut.

    (Its `stream_reader` ends in silence after both.)
    """

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._library = zstandard.ZstdDecompressor(max_window_size=_ZSTD_LARGEST_WINDOW)
        self._frame = self._library.decompressobj()
        self._decoded = io.BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not (count := self._decoded.readinto(buffer)):
            helping = self._frame.unused_data or self._file.read(_ZSTD_HELPING)
            if self._frame.eof and not helping:
                return 0
            if not helping:
                raise EOFError("it ends in the middle of a frame")
            if self._frame.eof:
                self._frame = self._library.decompressobj()
            self._decoded = io.BytesIO(self._frame.decompress(helping))
        return count
