"""From a place to a cache that can be asked: connections are opened late, and once."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from amphora.build.caches.cache import Cache
from amphora.build.caches.directory import DirectoryCache
from amphora.build.caches.objects import Naming, ObjectCache
from amphora.build.caches.places import (
    CachePlace,
    Directory,
    InActions,
    InBucket,
    Inline,
    Repository,
)
from amphora.build.caches.registry import RegistryCache
from amphora.oci.blobs import BlobStore
from amphora.registry.client import Registry
from amphora.remote.actions import ActionsCache

#: The service itself deletes what was not asked for in a week, and changes no entry.
_NEVER = timedelta.max
_PARALLEL = 4


class Caches:
    """The caches of one build."""

    def __init__(self, blobs: BlobStore, insecure: Sequence[str]) -> None:
        self._blobs = blobs
        self._insecure = insecure
        self._open: dict[CachePlace, Cache] = {}
        self._registries: dict[str, Registry] = {}
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Give up the connections."""
        await self._stack.aclose()

    async def at(self, place: CachePlace) -> Cache:
        """Not for Inline, which is written with the image. Raises CacheError."""
        async with self._lock:
            if place not in self._open:
                self._open[place] = await self._opened(place)
            return self._open[place]

    async def _opened(self, place: CachePlace) -> Cache:
        where = place.where
        match where:
            case Directory():
                return DirectoryCache(self._blobs, where.path)
            case Repository():
                registry = await self._registry(where.reference.domain)
                return RegistryCache(self._blobs, registry, where.reference)
            case InBucket():
                return self._in_bucket(where)
            case InActions():
                return await self._in_actions(where)
            case Inline():
                raise AssertionError("an inline cache is no place of its own")

    def _in_bucket(self, where: InBucket) -> Cache:
        # Only buckets need the library.
        from amphora.remote.objects import Objects  # noqa: PLC0415

        return ObjectCache(
            self._blobs,
            Objects(where.bucket),
            Naming(where.layers, tuple(f"{where.records}{name}/" for name in where.names)),
            parallel=where.parallel,
            refresh=where.refresh,
        )

    async def _in_actions(self, where: InActions) -> Cache:
        return ObjectCache(
            self._blobs,
            await self._stack.enter_async_context(ActionsCache(where.service)),
            Naming("amphora-layer-", (f"amphora-step-{where.scope}-",)),
            parallel=_PARALLEL,
            refresh=_NEVER,
        )

    async def _registry(self, domain: str) -> Registry:
        if domain not in self._registries:
            registry = Registry(domain, insecure_registries=self._insecure)
            self._registries[domain] = await self._stack.enter_async_context(registry)
        return self._registries[domain]
