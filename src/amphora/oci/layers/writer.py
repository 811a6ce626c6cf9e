"""Writing a layer: both of its digests, its compression and its blob, in one pass.

`hashlib` and ISA-L let go of the interpreter while they work, so the digest of the tar,
the compression of several blocks, and the digest and writing of the result overlap.
"""

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from msgspec import Struct

from amphora.core.descriptor import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Descriptor
from amphora.core.digest import Digest
from amphora.oci.blobs import BlobStore
from amphora.oci.layers.compressors import BLOCK_SIZE, Compression, compressor

_MEDIA_TYPES: dict[Compression, str] = {
    "gzip": OCI_LAYER_GZIP,
    "zstd": OCI_LAYER_ZSTD,
    "none": OCI_LAYER,
}


class LayerBlob(Struct, frozen=True):
    """A stored layer: its descriptor, and the digest of the tar inside (its diff id)."""

    descriptor: Descriptor
    diff_id: Digest


class LayerWriter:
    """Receives the bytes of a tar and stores them compressed; they vanish without `commit`.

    To be used in a `with` statement by one thread. `threads` (default: the CPUs this
    process may use) changes how fast it is, never what it writes. Raises
    InvalidValueError for a level that `compression` does not have.
    """

    def __init__(
        self,
        blobs: BlobStore,
        compression: Compression = "gzip",
        level: int | None = None,
        threads: int | None = None,
    ) -> None:
        self._threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._threads, "compress")
        # One thread of its own keeps the blocks in order.
        self._hashing = ThreadPoolExecutor(1, "hash")
        self._compressor = compressor(compression, level, self._pool, self._threads)
        self._media_type = _MEDIA_TYPES[compression]
        self._blob = blobs.writer()
        self._plain = hashlib.sha256()
        self._block = bytearray()
        self._under_way: deque[tuple[Future[None], Future[bytes]]] = deque()

    def __enter__(self) -> Self:
        self._blob.__enter__()
        return self

    def write(self, chunk: bytes | memoryview) -> int:
        """Append to the tar; raises DiskFullError (perhaps for an earlier chunk)."""
        self._block += chunk
        if len(self._block) >= BLOCK_SIZE:
            self._submit_whole_blocks()
        return len(chunk)

    def _submit_whole_blocks(self) -> None:
        whole = len(self._block) - len(self._block) % BLOCK_SIZE
        for start in range(0, whole, BLOCK_SIZE):
            self._submit(bytes(self._block[start : start + BLOCK_SIZE]))
        del self._block[:whole]

    def _submit(self, block: bytes) -> None:
        hashed = self._hashing.submit(self._plain.update, block)
        self._under_way.append((hashed, self._compressor.submit(block)))
        while len(self._under_way) > 2 * self._threads:
            self._store_oldest()

    def _store_oldest(self) -> None:
        hashed, compressed = self._under_way.popleft()
        hashed.result()
        self._blob.write(compressed.result())

    def commit(self) -> LayerBlob:
        """Make the layer durable and visible; raises DiskFullError."""
        if self._block:
            self._submit(bytes(self._block))
        while self._under_way:
            self._store_oldest()
        self._blob.write(self._compressor.finish())
        digest = self._blob.commit()
        descriptor = Descriptor(self._media_type, digest, self._blob.size)
        return LayerBlob(descriptor, Digest("sha256", self._plain.hexdigest()))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hashing.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)
        self._blob.__exit__(kind, error, traceback)
