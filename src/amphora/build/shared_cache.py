"""--cache-to and --cache-from: what steps made, in a registry or a directory, for other stores.

Every step is an artifact of its own, tagged with its key: a record as config, its layer as
layer. So caches merge: writers only ever add, jobs of a matrix share one reference, and
a build fetches no more than it needs, when it needs it.
https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from typing import Self

import msgspec

from amphora.build.cache_place import CachePlace
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import AmphoraError, NotFoundError
from amphora.core.reference import Reference
from amphora.oci.graph import read_document
from amphora.oci.layout import export_layout, import_layout
from amphora.oci.model import Manifest
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store
from amphora.oci.wire import decode
from amphora.registry.client import Registry
from amphora.registry.parallel import for_each
from amphora.system.files import explain_refusal_to_write, locked
from amphora.system.tasks import in_thread

_ARTIFACT = "application/vnd.amphora.step.v1"
_RECORD = "application/vnd.amphora.step.v1+json"
_PARALLEL = 4


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A CacheRecord without its layer, which the manifest names."""

    created: str
    ran: str
    seconds: float
    diff_id: str | None = None


class SharedCache:
    """The caches of one build; an asynchronous context manager.

    A cache that cannot be read is told of once, by `warn`, and asked no more.
    """

    def __init__(
        self,
        store: Store,
        sources: Sequence[CachePlace],
        insecure: Sequence[str],
        warn: Callable[[str], None],
    ) -> None:
        self._store = store
        #: The steps that this build needed, by key, performed or not.
        self.used: dict[str, None] = {}
        self._sources = list(sources)
        self._insecure = insecure
        self._warn = warn
        self._registries: dict[str, Registry] = {}
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._stack = await AsyncExitStack().__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()

    async def fetch(self, key: str) -> None:
        """Have the store know the step, if one of the caches does."""
        for place in tuple(self._sources):
            try:
                artifact = await self._find(place, place.tagged(key))
                await in_thread(self._remember, key, artifact)
            except NotFoundError:
                continue
            except AmphoraError as error:
                if place in self._sources:
                    self._sources.remove(place)
                    self._warn(f"{error.what}: {error.why}; it is done without")
                continue
            return

    async def save(self, place: CachePlace, layers: Collection[Digest]) -> None:
        """Add the steps that this build needed; `layers` are those of the image.

        Raises what pushing, or writing to a directory, raises.
        """
        records = {key: self._store.cache_get(key) for key in self.used}
        wanted = {
            key: self._artifact(record)
            for key, record in records.items()
            if record is not None and (place.everything or _belongs(record, layers))
        }
        if place.path is not None:
            await in_thread(self._save_locally, place, wanted)
            return

        async def push(item: tuple[str, Descriptor]) -> None:
            await self._push(place.tagged(item[0]), item[1])

        await for_each(wanted.items(), push, limit=_PARALLEL)

    async def _find(self, place: CachePlace, name: Reference) -> Descriptor:
        if place.path is not None:
            return await in_thread(import_layout, self._store.blobs, place.path, tag=name.tag or "")
        registry = await self._registry(name.domain)
        return await registry.pull(name, self._store.blobs)

    async def _push(self, name: Reference, artifact: Descriptor) -> None:
        """What another writer has put there stays: it is the same step."""
        registry = await self._registry(name.domain)
        try:
            await registry.resolve(name)
        except NotFoundError:
            await registry.push(self._store.blobs, artifact, name)

    async def _registry(self, domain: str) -> Registry:
        async with self._lock:
            if domain not in self._registries:
                registry = Registry(domain, insecure_registries=self._insecure)
                self._registries[domain] = await self._stack.enter_async_context(registry)
        return self._registries[domain]

    def _artifact(self, record: CacheRecord) -> Descriptor:
        content = _Record(
            record.created,
            record.ran,
            record.seconds,
            str(record.diff_id) if record.diff_id else None,
        )
        blobs = self._store.blobs
        config = blobs.put(msgspec.json.encode(content), _RECORD)
        layers = (record.layer,) if record.layer else ()
        manifest = Manifest(config, layers, artifact_type=_ARTIFACT)
        return blobs.put(manifest.encode(), manifest.media_type)

    def _remember(self, key: str, artifact: Descriptor) -> None:
        """Raises ManifestError for an artifact that is none of ours."""
        manifest = Manifest.decode(read_document(self._store.blobs, artifact.digest))
        content = read_document(self._store.blobs, manifest.config.digest)
        record: _Record = decode(content, _Record, "record of a step")
        diff_id = Digest.parse(record.diff_id) if record.diff_id else None
        layer = manifest.layers[0] if manifest.layers else None
        self._store.cache_put(
            key, CacheRecord(layer, diff_id, record.created, record.ran, record.seconds)
        )

    def _save_locally(self, place: CachePlace, artifacts: dict[str, Descriptor]) -> None:
        if place.path is not None:
            images = [(place.tagged(key), artifact) for key, artifact in artifacts.items()]
            with explain_refusal_to_write(place.path):
                place.path.mkdir(parents=True, exist_ok=True)
                with locked(place.path / "lock"):
                    export_layout(self._store.blobs, images, place.path)


def _belongs(record: CacheRecord, layers: Collection[Digest]) -> bool:
    return record.layer is None or record.layer.digest in layers
