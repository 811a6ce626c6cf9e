"""type=s3, azblob, gcs and gha: two objects for each step, of a name that says what is in it.

A record is named by its step's key and a layer by its digest, so there is nothing to merge,
and no list to keep: writers add, whoever else writes at the same time. The layer comes
first: a record, where there is one, was written by somebody who had finished.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from amphora.build.caches.cache import Cache
from amphora.build.caches.records import MAX_RECORD, decode_record, encode_record
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError
from amphora.oci import wire
from amphora.oci.blobs import BlobStore
from amphora.oci.steps import CacheRecord
from amphora.registry.parallel import for_each
from amphora.remote.named import NamedBytes
from amphora.system.tasks import in_thread


class Naming(Struct, frozen=True):
    """What comes before a layer's digest, and before a record's key: one for each name."""

    layers: str
    records: tuple[str, ...]

    def layer(self, digest: Digest) -> str:
        return f"{self.layers}{digest.algorithm}-{digest.hex}"


class ObjectCache(Cache):
    """Reads and writes through `objects`; those older than `refresh` are written again."""

    def __init__(
        self,
        blobs: BlobStore,
        objects: NamedBytes,
        naming: Naming,
        *,
        parallel: int,
        refresh: timedelta,
    ) -> None:
        self._blobs = blobs
        self._objects = objects
        self._naming = naming
        self._parallel = parallel
        self._refresh = refresh

    async def find(self, key: str) -> CacheRecord | None:
        for start in self._naming.records:
            content = bytearray()

            def write(chunk: bytes, content: bytearray = content) -> None:
                if len(content) + len(chunk) > MAX_RECORD:
                    raise wire.malformed(
                        "record of a step", f"it is larger than {MAX_RECORD} bytes"
                    )
                content.extend(chunk)

            if await self._objects.download(f"{start}{key}", write):
                record = decode_record(bytes(content))
                if record.layer is None or await self._fetch(record.layer):
                    return record
        return None

    async def add(self, records: Mapping[str, CacheRecord], damaged: Collection[str]) -> None:
        async def add(item: tuple[str, CacheRecord]) -> None:
            await self._add(*item, anew=item[0] in damaged)

        await for_each(records.items(), add, limit=self._parallel)

    async def _add(self, key: str, record: CacheRecord, *, anew: bool) -> None:
        if record.layer is not None:
            path = self._blobs.path(record.layer.digest)
            await self._put(self._naming.layer(record.layer.digest), path, anew=anew)
        for start in self._naming.records:
            await self._put(f"{start}{key}", encode_record(record), anew=anew)

    async def _put(self, name: str, content: bytes | Path, *, anew: bool) -> None:
        """Not a second time, unless it is old, or a layer of another size than it has."""
        found = None if anew else await self._objects.look(name)
        size = content.stat().st_size if isinstance(content, Path) else None
        if (
            found is None
            or (found.age is not None and found.age > self._refresh)
            or (size is not None and found.size not in {None, size})
        ):
            await self._objects.put(name, content)

    async def _fetch(self, layer: Descriptor) -> bool:
        """False if it is not there: what others deleted is no damage."""
        if self._blobs.has(layer.digest):
            return True
        with self._blobs.writer(layer.digest.algorithm) as writer:

            def write(chunk: bytes) -> None:
                if writer.size + len(chunk) > layer.size:
                    raise _longer(layer)
                writer.write(chunk)

            if not await self._objects.download(self._naming.layer(layer.digest), write):
                return False
            await in_thread(writer.commit, layer.digest, layer.size)
        return True


def _longer(layer: Descriptor) -> DigestMismatchError:
    return DigestMismatchError(
        f"layer {layer.digest} is longer than its record says",
        why=f"{layer.size} bytes were announced and more keep coming",
        next_command="find out who can write to the cache",
    )
