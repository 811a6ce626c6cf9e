"""type=local: an OCI image layout with an artifact for each step, its tag the key.

Its index, which is read as a whole, lists the steps in the order in which writers last needed
them: when there are too many, the first go.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from amphora.build.caches.cache import Cache
from amphora.build.caches.records import put_artifact, read_artifact
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, ManifestError, NotFoundError
from amphora.core.reference import Reference
from amphora.oci import names
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import MAX_DOCUMENT_SIZE, walk
from amphora.oci.layout import export_layout, import_layout
from amphora.oci.model import Index
from amphora.oci.steps import CacheRecord
from amphora.system.files import explain_refusal_to_write, locked, write_atomically
from amphora.system.roots import read_in_root
from amphora.system.tasks import in_thread

#: What its entries are called, before the key.
_STEP = Reference.parse("step")

#: With as many the index has 3.3 MB; of one larger than MAX_DOCUMENT_SIZE nothing is read.
MOST_STEPS = 8_000
#: As many stay when there are more, so that it is long until the next must go.
_STEPS_LEFT = 6_000


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
        newest = list(records.items())[-MOST_STEPS:]
        artifacts = {key: put_artifact(self._blobs, record) for key, record in newest}
        with explain_refusal_to_write(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            with locked(self._path / "lock"):
                there = BlobStore(self._path)
                for key in damaged:
                    if key in artifacts:
                        for item in walk(self._blobs, artifacts[key]):
                            there.delete(item.digest)
                self._make_room(there, len(artifacts))
                images = [(replace(_STEP, tag=key), item) for key, item in artifacts.items()]
                export_layout(self._blobs, images, self._path)

    def _make_room(self, there: BlobStore, wanted: int) -> None:
        """Forget steps, if the directory would know too many with as many as are wanted."""
        content = read_in_root(self._path, names.INDEX_FILE, MAX_DOCUMENT_SIZE)
        entries = Index.decode(content).manifests if content is not None else ()
        if len(entries) + wanted <= MOST_STEPS:
            return
        steps = [number for number, entry in enumerate(entries) if _is_step(entry)]
        gone = set(steps[: -max(_STEPS_LEFT - wanted, 0) or None])
        kept = [entry for number, entry in enumerate(entries) if number not in gone]
        write_atomically(self._path / names.INDEX_FILE, Index(tuple(kept)).encode())
        needed = {digest for entry in kept for digest in _reachable(there, entry)}
        for digest in there:
            if digest not in needed:
                there.delete(digest)


def _reachable(there: BlobStore, entry: Descriptor) -> Iterator[Digest]:
    """All that an entry of the index leads to; something damaged leads nowhere."""
    with suppress(DigestMismatchError, ManifestError):
        yield from (item.digest for item in walk(there, entry, allow_absent=True))


def _is_step(entry: Descriptor) -> bool:
    """And no image that somebody keeps in the same directory."""
    name = names.name_of(entry)
    return name is not None and (name.domain, name.path) == (_STEP.domain, _STEP.path)
