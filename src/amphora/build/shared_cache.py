"""--cache-to and --cache-from: what steps made, kept elsewhere, for other stores.

Every step is kept by itself, under its key. So caches merge: writers only ever add, jobs of
a matrix share one place, and a build fetches no more than it needs, when it needs it.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Self

from amphora.build.caches.inline import Records
from amphora.build.caches.places import CachePlace, Inline
from amphora.core.digest import Digest
from amphora.core.errors import (
    AmphoraError,
    DigestMismatchError,
    LayerError,
    ManifestError,
)
from amphora.oci.layers.compression import LayerReader
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store
from amphora.system.tasks import in_thread

if TYPE_CHECKING:
    from amphora.build.caches.cache import Cache
    from amphora.build.caches.opening import Caches

_CHUNK = 1 << 20
#: Something is wrong with one step, not with the cache.
_DAMAGED = (DigestMismatchError, ManifestError, LayerError)

#: Tells of what goes wrong: the flag that it is about, and what.
Warn = Callable[[str, str], None]


class SharedCache:
    """The caches of one build; an asynchronous context manager.

    A cache that cannot be asked is told of once, by `warn`, and asked no more. Of one that
    has a step which is not what it should be, only that step is not taken.
    """

    def __init__(
        self, store: Store, sources: Sequence[CachePlace], insecure: Sequence[str], warn: Warn
    ) -> None:
        self._store = store
        #: The steps that this build needed, by key, performed or not.
        self.used: dict[str, None] = {}
        self._damaged: set[str] = set()
        self._sources = list(sources)
        self._warn = warn
        self._insecure = insecure
        self._caches: Caches | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._caches is not None:
            await self._caches.close()

    async def fetch(self, key: str) -> None:
        """Have the store know the step, if one of the caches does."""
        for place in tuple(self._sources):
            try:
                record = await (await self._at(place)).find(key)
                if record is not None:
                    await in_thread(self._remember, key, record)
                    return
            except _DAMAGED as error:
                self._damaged.add(key)
                self._warn("--cache-from", f"{_told(error)}; the step is done without")
            except AmphoraError as error:
                if place in self._sources:
                    self._sources.remove(place)
                    self._warn("--cache-from", f"{_told(error)}; it is done without")

    async def save(self, places: Sequence[CachePlace], layers: Collection[Digest]) -> None:
        """Add the steps that this build needed; `layers` are those of the image.

        What is inline is not written here. Raises what the caches raise, but for those whose
        errors are to be ignored.
        """
        for place in places:
            if isinstance(place.where, Inline):
                continue
            records = self.records(None if place.everything else layers)
            try:
                await (await self._at(place)).add(records, self._damaged)
            except AmphoraError as error:
                if not place.ignore_error:
                    raise
                self._warn("--cache-to", f"{_told(error)}; it is ignored")

    def records(self, layers: Collection[Digest] | None) -> Records:
        """What this build needed; of the steps that made a layer, those of `layers`."""
        found = {key: self._store.cache_get(key) for key in self.used}
        return {
            key: record
            for key, record in found.items()
            if record is not None and (layers is None or _belongs(record, layers))
        }

    async def _at(self, place: CachePlace) -> "Cache":
        # Most builds have no cache but their store, and need no HTTP client.
        from amphora.build.caches.opening import Caches  # noqa: PLC0415

        if self._caches is None:
            self._caches = Caches(self._store.blobs, self._insecure)
        return await self._caches.at(place)

    def _remember(self, key: str, record: CacheRecord) -> None:
        if record.layer is not None and record.diff_id is not None:
            actual = self._store.diff_id_of(record.layer.digest)
            if actual is None:
                actual = self._unpacked(record.layer.digest)
                self._store.remember_diff_id(record.layer.digest, actual)
            if actual != record.diff_id:
                raise _other_content(record.layer.digest, record.diff_id, actual)
        self._store.cache_put(key, record)

    def _unpacked(self, layer: Digest) -> Digest:
        """What a layer unpacks to: an image that said something else could not be pulled."""
        content = hashlib.sha256()
        with self._store.blobs.open(layer) as file:
            reader = LayerReader(file)
            while chunk := reader.read(_CHUNK):
                content.update(chunk)
        return Digest("sha256", content.hexdigest())


def _belongs(record: CacheRecord, layers: Collection[Digest]) -> bool:
    return record.layer is None or record.layer.digest in layers


def _told(error: AmphoraError) -> str:
    return f"{error.what}: {error.why}"


def _other_content(layer: Digest, expected: Digest, actual: Digest) -> DigestMismatchError:
    return DigestMismatchError(
        f"the layer {layer} of a cached step is not what its record says",
        why=f"it unpacks to {actual} in place of {expected}",
        next_command="find out who can write to the cache",
    )
