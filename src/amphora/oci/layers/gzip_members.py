"""A gzip stream of several members, so that a reader may begin at each of them.

https://www.rfc-editor.org/rfc/rfc1952#section-2.2
"""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from amphora.core.digest import Digest
from amphora.oci.blobs import BlobWriter
from amphora.oci.layers.compressors import gzip_member

#: What is compressed at once; a member of nothing but headers of files might have no end.
_LARGEST = 8 << 20


class GzipMembers:
    """Writes a blob, `ahead` members at most being compressed on `pool` meanwhile.

    `plain_size` and `plain_digest` are of what was written, before it was compressed. `level`
    is as in gzip_member. All methods raise DiskFullError.
    """

    def __init__(
        self, blob: BlobWriter, pool: ThreadPoolExecutor, level: int | None, ahead: int
    ) -> None:
        self.plain_size = 0
        self._blob = blob
        self._pool = pool
        self._level = level
        self._ahead = ahead
        self._plain = hashlib.sha256()
        self._member = bytearray()
        self._under_way: deque[Future[bytes]] = deque()
        self._offsets = [0]

    @property
    def plain_digest(self) -> Digest:
        return Digest("sha256", self._plain.hexdigest())

    def write(self, content: bytes) -> None:
        """Append to the member at hand, or begin another one if it has become large."""
        self._plain.update(content)
        self.plain_size += len(content)
        self._member += content
        if len(self._member) >= _LARGEST:
            self.cut()

    def cut(self) -> int:
        """Have a member begin here; returns its number."""
        if self._member:
            content = bytes(self._member)
            self._member.clear()
            self._under_way.append(self._pool.submit(gzip_member, content, self._level))
            while len(self._under_way) > self._ahead:
                self._store_oldest()
        return len(self._offsets) - 1 + len(self._under_way)

    def offsets(self) -> list[int]:
        """Where each member begins in the blob, and last the one that comes next."""
        self.cut()
        while self._under_way:
            self._store_oldest()
        return self._offsets

    def finish(self, footer: bytes) -> None:
        """Write what is left, and bytes that are no member of ours."""
        self.offsets()
        self._blob.write(footer)

    def _store_oldest(self) -> None:
        member = self._under_way.popleft().result()
        self._blob.write(member)
        self._offsets.append(self._offsets[-1] + len(member))
