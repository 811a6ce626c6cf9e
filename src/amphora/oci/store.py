"""The content store: images and layers on disk, their names, and what builds remember.

The directory is an OCI image layout (`oci-layout`, `index.json`, `blobs/`) beside a
database (`index.db`). A process killed at any moment leaves a store that works; what it
left lying about goes when the store is used next.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import NotFoundError, StoreError
from amphora.core.reference import Reference
from amphora.oci import check, names, referrers, steps, uses
from amphora.oci.blobs import BlobStore
from amphora.oci.claims import Claimed
from amphora.oci.database import Database
from amphora.oci.garbage import Freed, bury, empty
from amphora.oci.graph import walk
from amphora.oci.names import NamedImage
from amphora.oci.steps import CacheRecord
from amphora.oci.uses import Use
from amphora.oci.workspace import workspace
from amphora.system.files import explain_full_disk, locked

#: Bytes of what builds have noted that are put in order by whoever comes to that.
_MOST_NOTES = 1 << 20


class Store:
    """The store in directory `root`, which is made if it is missing.

    One object may be shared by threads, and one directory by processes. Whoever reads or
    writes more than one thing does so inside `using()`: there nothing is collected, and what
    was looked at is not pruned. Every method raises StoreError for a damaged database
    and DiskFullError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with explain_full_disk(root):
            self.blobs = BlobStore(root)
        self.database = Database(
            root / "index.db", fill=lambda connection: names.restore(connection, root)
        )
        if not (root / names.INDEX_FILE).exists():
            self._write_layout()

    @contextmanager
    def using(self) -> Iterator[None]:
        """Keep garbage collection away; first clears away what killed processes left."""
        with self._shared(), self.blobs.claims.held():
            self.sweep()
            yield

    @contextmanager
    def pruning(self) -> Iterator[Claimed]:
        """Keep others from coming to need anything that goes; they go on with what they have.

        Yields what that is: it has to stay. For a moment only: who wants more waits.
        """
        with self._shared(), self.blobs.claims.stopped() as claimed:
            yield claimed

    def tag(self, reference: Reference, descriptor: Descriptor) -> None:
        """Let a name point at an image; raises NotFoundError if its content is not here."""
        with self._shared():
            self.blobs.size(descriptor.digest)
            with self.database.writing() as connection:
                names.put(connection, reference, descriptor)
                names.write_layout(connection, self.root)

    def resolve(self, reference: Reference) -> Descriptor:
        """What a name points at; by digest, also a variant of an image that has a name.

        Raises NotFoundError.
        """
        with self._shared():
            with self.database.reading() as connection:
                found = names.get(connection, reference)
                images = [] if found else names.listed(connection)
            if found is None and reference.digest is not None:
                found = self._find_in(reference, images)
        if found is None:
            raise _unknown_name(reference, images)
        return found

    def untag(self, reference: Reference) -> None:
        """Forget a name; its content stays until garbage is collected. Raises NotFoundError."""
        with self.database.writing() as connection:
            if not names.remove(connection, reference):
                raise _unknown_name(reference, names.listed(connection))
            names.write_layout(connection, self.root)

    def images(self) -> list[NamedImage]:
        """Every name with what it points at and since when, sorted by name."""
        with self.database.reading() as connection:
            return names.listed(connection)

    def attach(self, artifact: Descriptor, repository: Reference) -> None:
        """Keep an artifact (see `referrers.put_artifact`) for as long as its subject is kept.

        Its name is by digest, in that repository, which is the subject's. Raises NotFoundError
        if its content is not here.
        """
        self.tag(replace(repository, tag=None, digest=artifact.digest), artifact)

    def referrers(self, subject: Digest) -> list[Descriptor]:
        """The artifacts about an image or a variant of one, each once.

        Raises DigestMismatchError and ManifestError for a damaged one.
        """
        return self.artifacts().get(subject, [])

    def artifacts(self) -> dict[Digest, list[Descriptor]]:
        """All artifacts by what they are about, each once; raises as `referrers` does."""
        return referrers.by_subject(self.blobs, self.images())

    def artifacts_about(self, root: Descriptor) -> list[Descriptor]:
        """Those about an image, a variant of it, or such an artifact; each after its subject.

        Raises DigestMismatchError and ManifestError for a damaged one.
        """
        return referrers.about(self.blobs, self.images(), root)

    def cache_put(self, key: str, record: CacheRecord) -> None:
        """Remember the result of a build step."""
        self.blobs.claims.claim([key])
        with self._shared(), self.database.writing() as connection:
            steps.put(connection, key, record)

    def cache_get(self, key: str) -> CacheRecord | None:
        """The result of a build step; None, and forgotten, if its layer is gone."""
        with self.database.reading() as connection:
            record = steps.get(connection, key)
        if record is None:
            return None
        digests = [record.layer.digest] if record.layer else []
        self.blobs.claims.claim([key, *map(str, digests)])
        if all(map(self.blobs.has, digests)):
            return record
        with self.database.writing() as connection:
            steps.forget(connection, [key])
        return None

    def remember_diff_id(self, blob: Digest, diff_id: Digest) -> None:
        """Note what a compressed layer is when uncompressed."""
        with self.database.writing() as connection:
            steps.put_diff_id(connection, blob, diff_id)

    def diff_id_of(self, blob: Digest) -> Digest | None:
        with self.database.reading() as connection:
            return steps.get_diff_id(connection, blob)

    def note_uses(self, taken: Mapping[str, Use]) -> None:
        """Note which remembered steps a build needed, by their keys, for `builder prune`."""
        if taken and uses.note(self.root, taken) > _MOST_NOTES:
            uses.fold(self.root, self.database)

    def collect_garbage(
        self, *, cache: bool = False, also: Callable[[], Freed] | None = None
    ) -> Freed:
        """Delete what neither a name nor a step record leads to; with `cache`, records too.

        `also` deletes more, while nobody else uses the store. Layers that were unpacked need the
        worker to be deleted.
        Raises StoreError if anybody, this process included, is `using()` the store, and
        DigestMismatchError or ManifestError, deleting nothing, if an image is damaged.
        """
        with workspace(self.root) as grave:
            with self._exclusive():
                uses.fold(self.root, self.database)
                forget = steps.forget_all if cache else None
                freed = bury(self.blobs, self.database, grave, forget=forget)
                freed += Freed(0, self.blobs.sweep())
                if also is not None:
                    freed += also()
                self._write_layout()
            empty(grave)
        return freed

    def sweep(self) -> int:
        """Clear away what killed processes left, safe beside live ones; returns bytes freed."""
        with self.database.reading() as connection:
            current = names.layout_is_current(connection, self.root)
        if not current or names.temporary_files(self.root):
            self._write_layout()
        return self.blobs.sweep()

    def check(self) -> list[check.Problem]:
        """Everything that is wrong with the store; an empty list if nothing is."""
        with self._shared():
            return check.problems(self.root, self.blobs, self.database)

    def _find_in(self, reference: Reference, images: list[NamedImage]) -> Descriptor | None:
        """The manifest or index with the digest of `reference` in its repository's images."""
        for image in images:
            if image.reference.repository == reference.repository:
                for descriptor in walk(self.blobs, image.descriptor, allow_absent=True):
                    if descriptor.digest == reference.digest and (
                        descriptor.is_index or descriptor.is_manifest
                    ):
                        return descriptor
        return None

    def _write_layout(self) -> None:
        with self.database.writing() as connection:
            names.write_layout(connection, self.root)

    @contextmanager
    def _shared(self) -> Iterator[None]:
        with locked(self.root / "lock", shared=True):
            yield

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            with locked(self.root / "lock", wait=False):
                yield
        except BlockingIOError as error:
            raise StoreError(
                f"the store {self.root} is in use by another amphora",
                why="a build, pull, push or registry is working in it",
                next_command="wait for the other command to finish and run it again",
            ) from error


def _unknown_name(reference: Reference, images: list[NamedImage]) -> NotFoundError:
    others = [
        image.reference.familiar
        for image in images
        if image.reference.repository == reference.repository
    ]
    return NotFoundError(
        f"no image is called {reference.familiar} in the store",
        why=f"of that repository it has {', '.join(others)}"
        if others
        else "it was never built or pulled here, or it was removed",
        next_command=f"run `amphora pull {reference.familiar}`, or `amphora image ls` to see"
        " what there is",
    )
