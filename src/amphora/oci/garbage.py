"""Garbage collection: what nothing leads to is deleted.

Only called while nobody else uses the store (see `Store.collect_garbage`). Records go
before the content they lead to, so a kill in between leaves content without a record,
which is garbage again, and never a record without its content.
"""

from msgspec import Struct

from amphora.core.digest import Digest
from amphora.oci import names, steps
from amphora.oci.blobs import BlobStore
from amphora.oci.database import Database
from amphora.oci.graph import walk
from amphora.oci.referrers import orphans


class Freed(Struct, frozen=True):
    """How many things were deleted, and the bytes they took."""

    count: int = 0
    size: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(self.count + other.count, self.size + other.size)


def delete_unreachable(blobs: BlobStore, database: Database, *, drop_steps: bool) -> Freed:
    """Delete blobs that no name and no step record leads to, and abandoned ingest files.

    Raises DigestMismatchError and ManifestError, having deleted nothing, for a damaged image:
    what it leads to cannot be known.
    """
    _forget_orphans(blobs, database)
    reachable = _reachable(blobs, database, with_steps=not drop_steps)
    garbage = {digest for digest in blobs if digest not in reachable}
    freed = Freed(len(garbage), sum(map(blobs.size, garbage)))
    with database.writing() as connection:
        if drop_steps:
            steps.forget_all(connection)
        steps.forget_diff_ids(connection, garbage)
    for digest in garbage:
        blobs.delete(digest)
    return freed + Freed(0, blobs.sweep())


def _forget_orphans(blobs: BlobStore, database: Database) -> None:
    """What was said about images that are gone goes too."""
    with database.writing() as connection:
        for image in orphans(blobs, names.listed(connection)):
            names.remove(connection, image.reference)


def _reachable(blobs: BlobStore, database: Database, *, with_steps: bool) -> set[Digest]:
    with database.reading() as connection:
        roots = [image.descriptor for image in names.listed(connection)]
        layers = steps.layers(connection) if with_steps else []
    reachable = {layer.digest for _, layer in layers}
    for root in roots:
        reachable.update(item.digest for item in walk(blobs, root, allow_absent=True))
    return reachable
