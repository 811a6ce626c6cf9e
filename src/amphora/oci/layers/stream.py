"""The bytes of a layer's tar, read and hashed ahead of whoever takes them.

Decompression and hashing let go of the interpreter: with a thread of their own they
overlap with the making of files.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from amphora.core.digest import Digest
from amphora.core.errors import LayerError
from amphora.oci.layers.compression import Reader
from amphora.oci.layers.entry import layer_error

_CHUNK = 1024 * 1024


class TarStream:
    """Takes from `reader` at most `largest` bytes, a chunk ahead; used in a `with` statement.

    All methods raise LayerError when the limit is passed, and what `reader` raises.
    """

    def __init__(self, reader: Reader, largest: int, algorithm: str = "sha256") -> None:
        self._reader = reader
        self._largest = largest
        self._hash = hashlib.new(algorithm)
        self._chunk = memoryview(b"")
        self._position = 0
        self._ahead = ThreadPoolExecutor(1, "layer")
        self.size = 0

    def __enter__(self) -> Self:
        self._next = self._ahead.submit(self._fetch)
        return self

    def take(self, size: int) -> bytes:
        """Exactly so many bytes, or none if the stream has ended; LayerError in between."""
        start = self._position
        if start + size <= len(self._chunk):
            self._position = start + size
            return bytes(self._chunk[start : start + size])
        taken = b"".join(self._up_to(size))
        if taken and len(taken) < size:
            raise truncated()
        return taken

    def chunks(self, size: int) -> Iterator[memoryview]:
        """The next so many bytes in pieces; raises LayerError if there are fewer."""
        for piece in self._up_to(size):
            size -= len(piece)
            yield piece
        if size:
            raise truncated()

    def digest(self) -> Digest:
        """Read whatever is left; returns the digest of the whole stream."""
        while self._refill():
            pass
        return Digest(self._hash.name, self._hash.hexdigest())

    def _up_to(self, size: int) -> Iterator[memoryview]:
        while size and (self._position < len(self._chunk) or self._refill()):
            piece = self._chunk[self._position : self._position + size]
            self._position += len(piece)
            size -= len(piece)
            yield piece

    def _refill(self) -> bool:
        """Move on to the next chunk; False at the end."""
        chunk = self._next.result()
        self._chunk, self._position = memoryview(chunk), 0
        if not chunk:
            return False
        self.size += len(chunk)
        if self.size > self._largest:
            raise layer_error(
                "a layer is larger than a layer may be",
                f"it unpacks to more than {self._largest} bytes",
            )
        self._next = self._ahead.submit(self._fetch)
        return True

    def _fetch(self) -> bytes:
        chunk = self._reader.read(_CHUNK)
        self._hash.update(chunk)
        return chunk

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ahead.shutdown(cancel_futures=True)


def truncated() -> LayerError:
    return layer_error("a layer is truncated", "its tar ends in the middle of an entry")
