"""type=local: an OCI image layout with an artifact for each step, its tag the key."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from amphora.build.caches.cache import Cache
from amphora.build.caches.records import put_artifact, read_artifact
from amphora.core.errors import NotFoundError
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import walk
from amphora.oci.layout import export_layout, import_layout
from amphora.oci.steps import CacheRecord
from amphora.system.files import explain_refusal_to_write, locked
from amphora.system.tasks import in_thread

#: What its entries are called, before the key.
_STEP = Reference.parse("step")


class DirectoryCache(Cache):
    """Writers wait for each other; a reader sees what the last of them finished."""

    def __init__(self, blobs: BlobStore, path: Path) -> None:
        self._blobs = blobs
        self._path = path

    async def find(self, key: str) -> CacheRecord | None:
        return await in_thread(self._find, key)

    async def add(self, records: Mapping[str, CacheRecord], damaged: Collection[str]) -> None:
        await in_thread(self._add, records, damaged)

    def _find(self, key: str) -> CacheRecord | None:
        try:
            artifact = import_layout(self._blobs, self._path, tag=key)
        except NotFoundError:
            return None
        return read_artifact(self._blobs, artifact)

    def _add(self, records: Mapping[str, CacheRecord], damaged: Collection[str]) -> None:
        artifacts = {key: put_artifact(self._blobs, record) for key, record in records.items()}
        with explain_refusal_to_write(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            with locked(self._path / "lock"):
                there = BlobStore(self._path)
                for key in damaged:
                    if key in artifacts:
                        for item in walk(self._blobs, artifacts[key]):
                            there.delete(item.digest)
                images = [(replace(_STEP, tag=key), item) for key, item in artifacts.items()]
                export_layout(self._blobs, images, self._path)
