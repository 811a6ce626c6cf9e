"""Compression on all cores, with output that depends on the input and nothing else.

A digest has to come out the same on a laptop and on a server: blocks have a fixed size,
and the number of threads only decides how many of them are compressed at once.

ISA-L chooses its code by CPU. Its levels 0 to 2 give the same bytes on every amd64 CPU
since 2010 (SSE 4.2, PCLMULQDQ) and on every arm64 CPU. Level 3 has match finders of its
own for SSE, AVX2 and AVX-512 that find different matches, so it is not offered. An
amd64 and an arm64 host do not gzip to the same bytes at any level; their uncompressed
digests (diff ids) agree, and zstd's output is the same everywhere.
"""

import struct
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, Protocol

import zstandard
from isal import isal_zlib

from amphora.core.errors import InvalidValueError

Compression = Literal["gzip", "zstd", "none"]

#: Bytes per unit of work; part of what makes a digest, so it must never change by itself.
BLOCK_SIZE = 256 * 1024

_WINDOW = 32 * 1024
_RAW_DEFLATE = -15
# No flags, no name, no time, operating system unknown: RFC 1952.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_LAST_BLOCK = b"\x03\x00"

_LEVELS: dict[Compression, tuple[int, range]] = {
    "gzip": (2, range(3)),
    "zstd": (3, range(1, 20)),
    "none": (0, range(1)),
}


class Compressor(Protocol):
    """Takes blocks of BLOCK_SIZE (the last may be shorter) and gives their output in order."""

    def submit(self, block: bytes) -> Future[bytes]:
        """Start on a block; the results, joined in the order of submission, are the stream."""

    def finish(self) -> bytes:
        """The end of the stream; called once all submitted blocks are done."""


def compressor(
    compression: Compression, level: int | None, pool: ThreadPoolExecutor, threads: int
) -> Compressor:
    """A compressor that works on `pool`; raises InvalidValueError for a level it has not."""
    default, levels = _LEVELS[compression]
    if level is None:
        level = default
    if level not in levels:
        raise InvalidValueError(
            f"{level} is not a level of {compression}",
            why=f"levels {levels[0]} to {levels[-1]} give the same bytes on every CPU",
            next_command=f"choose a level between {levels[0]} and {levels[-1]}",
        )
    if compression == "gzip":
        return _Gzip(level, pool)
    if compression == "zstd":
        return _Zstd(level, threads)
    return _Plain()


class _Gzip:
    """One gzip member of deflate blocks, each primed with the 32 KiB before it, as pigz does.

    https://www.rfc-editor.org/rfc/rfc1951, https://www.rfc-editor.org/rfc/rfc1952
    """

    def __init__(self, level: int, pool: ThreadPoolExecutor) -> None:
        self._level = level
        self._pool = pool
        self._checksum = 0
        self._size = 0
        self._previous = b""
        self._started = False

    def submit(self, block: bytes) -> Future[bytes]:
        header = b"" if self._started else _GZIP_HEADER
        self._started = True
        # A few milliseconds per gigabyte: not worth a thread and a combination.
        self._checksum = isal_zlib.crc32(block, self._checksum)
        self._size += len(block)
        dictionary, self._previous = self._previous, block[-_WINDOW:]
        return self._pool.submit(_deflate, header, block, dictionary, self._level)

    def finish(self) -> bytes:
        header = b"" if self._started else _GZIP_HEADER
        trailer = struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF)
        return header + _GZIP_LAST_BLOCK + trailer


def _deflate(header: bytes, block: bytes, dictionary: bytes, level: int) -> bytes:
    deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW_DEFLATE, zdict=dictionary)
    return header + deflate.compress(block) + deflate.flush(isal_zlib.Z_SYNC_FLUSH)


def gzip_member(content: bytes, level: int | None) -> bytes:
    """A whole gzip member; the default level is that of layers."""
    level = _LEVELS["gzip"][0] if level is None else level
    deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _RAW_DEFLATE)
    trailer = struct.pack("<II", isal_zlib.crc32(content), len(content) & 0xFFFFFFFF)
    return b"".join((_GZIP_HEADER, deflate.compress(content), deflate.flush(), trailer))


class _Zstd:
    """One zstd frame. The library cuts it into jobs by itself, the same for any thread count."""

    def __init__(self, level: int, threads: int) -> None:
        # At least one worker: the library's single-threaded mode gives other bytes.
        self._frame = zstandard.ZstdCompressor(level=level, threads=max(1, threads)).compressobj()

    def submit(self, block: bytes) -> Future[bytes]:
        return _done(self._frame.compress(block))

    def finish(self) -> bytes:
        return self._frame.flush()


class _Plain:
    def submit(self, block: bytes) -> Future[bytes]:
        return _done(block)

    def finish(self) -> bytes:
        return b""


def _done(output: bytes) -> Future[bytes]:
    future: Future[bytes] = Future()
    future.set_result(output)
    return future
