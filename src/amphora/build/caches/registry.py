"""type=registry: an artifact for each step, tagged with its key; or an image with steps inline."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress

from msgspec.structs import replace

from amphora.build.caches.cache import Cache
from amphora.build.caches.inline import inline_records
from amphora.build.caches.records import put_artifact, read_artifact
from amphora.core.errors import NotFoundError
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.steps import CacheRecord
from amphora.registry.client import PARALLEL, Registry
from amphora.registry.parallel import for_each
from amphora.system.tasks import in_thread

#: With a key and a dash a tag may have 128 characters.
_LONGEST_TAG = 63


class RegistryCache(Cache):
    """A repository's tags that begin with that of `reference`, and the image of that name.

    A digest names the image alone.
    """

    def __init__(self, blobs: BlobStore, registry: Registry, reference: Reference) -> None:
        self._blobs = blobs
        self._registry = registry
        self._reference = reference
        self._inline: Mapping[str, CacheRecord] | None = None
        self._lock = asyncio.Lock()

    async def find(self, key: str) -> CacheRecord | None:
        record = (await self._inline_records()).get(key)
        if record is not None:
            if record.layer is not None:
                await self._registry.pull_blob(self._reference, record.layer, self._blobs)
            return record
        if self._reference.digest is not None:
            return None
        try:
            artifact = await self._registry.pull(tagged(self._reference, key), self._blobs)
        except NotFoundError:
            return None
        return await in_thread(read_artifact, self._blobs, artifact)

    async def add(self, records: Mapping[str, CacheRecord], damaged: Collection[str]) -> None:
        async def push(item: tuple[str, CacheRecord]) -> None:
            key, record = item
            if key in damaged or not await self._has(key):
                artifact = await in_thread(put_artifact, self._blobs, record)
                await self._registry.push(self._blobs, artifact, tagged(self._reference, key))

        await for_each(records.items(), push, limit=PARALLEL)

    async def _has(self, key: str) -> bool:
        try:
            await self._registry.resolve(tagged(self._reference, key))
        except NotFoundError:
            return False
        return True

    async def _inline_records(self) -> Mapping[str, CacheRecord]:
        """Asked for once; most caches are no image."""
        async with self._lock:
            if self._inline is None:
                self._inline = {}  # whatever it is that is there, it is complained of once
                with suppress(NotFoundError):
                    image = await self._registry.pull(self._reference, self._blobs, layers=False)
                    self._inline = await in_thread(inline_records, self._blobs, image)
        return self._inline


def tagged(reference: Reference, key: str) -> Reference:
    """What the artifact of a step is called."""
    return replace(reference, tag=f"{(reference.tag or '')[:_LONGEST_TAG]}-{key}", digest=None)
