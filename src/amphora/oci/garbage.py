"""Garbage: what nothing leads to. The one place that decides what that is, and removes it.

Records go before the content they lead to, so a kill in between leaves content without a
record, which is garbage again, and never a record without its content. Content is moved into
a grave, a directory of the process on the same disk, which is quick; it is deleted from there
while others go on with the store, and by whoever comes next if the process is killed.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Flag, auto
from pathlib import Path

from msgspec import Struct

from amphora.core.descriptor import CONFIG_TYPES, Descriptor
from amphora.core.digest import Digest
from amphora.oci import names, steps, uses
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.database import Database
from amphora.oci.graph import read_document
from amphora.oci.referrers import reach
from amphora.oci.workspace import remove_tree

#: Where unpacked layers are (see `oci.snapshots`), each under the hex of its chain ID.
SNAPSHOTS = "snapshots"

#: Deletions that wait for the disk side by side.
_AT_ONCE = 8


class Freed(Struct, frozen=True):
    """How many things were deleted, and the bytes they took."""

    count: int = 0
    size: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(self.count + other.count, self.size + other.size)


class Content(Struct, frozen=True):
    """Blobs, and unpacked layers by the hex of their chain IDs."""

    blobs: set[Digest]
    snapshots: set[str]

    def __sub__(self, other: "Content") -> "Content":
        return Content(self.blobs - other.blobs, self.snapshots - other.snapshots)


class Unpacked(Flag):
    """Which unpacked layers stay, though their blobs would do: they are unpacked again.

    What an image has is the image's, whether a step came to the same or not.
    """

    OF_IMAGES = auto()
    OF_STEPS = auto()

    def kept(self, of_images: set[str], of_steps: set[str]) -> set[str]:
        images = of_images if self.OF_IMAGES in self else set()
        steps = of_steps - of_images if self.OF_STEPS in self else set()
        return images | steps


def everything(blobs: BlobStore) -> Content:
    """All that is in a store, needed or not."""
    directory = blobs.root / SNAPSHOTS
    there = directory.iterdir() if directory.exists() else ()
    return Content(set(blobs), {path.name for path in there})


def needed_by_images(blobs: BlobStore, reached: Iterable[Descriptor]) -> Content:
    """What the images of a store lead to (see `referrers.reach`), and their unpacked layers.

    Raises what `read_document` raises.
    """
    digests = {descriptor.digest: descriptor.media_type for descriptor in reached}
    chains = {
        chain.hex
        for digest, media_type in digests.items()
        if media_type in CONFIG_TYPES
        for chain in ImageConfig.decode(read_document(blobs, digest)).chain_ids
    }
    return Content(set(digests), chains)


def needed_by_steps(connection: sqlite3.Connection) -> Content:
    """What is remembered of builds: the layers of steps, and what they unpack to."""
    layers = {layer.digest for _, layer in steps.layers(connection)}
    return Content(layers, {chain.hex for chain in uses.chains(connection)})


def bury(
    blobs: BlobStore,
    database: Database,
    grave: Path,
    *,
    forget: Callable[[sqlite3.Connection], None] | None = None,
    only: Content | None = None,
    claimed: Collection[str] = (),
    unpacked: Unpacked = Unpacked.OF_IMAGES,
) -> Freed:
    """Move what nothing needs into a grave; it is for the caller to empty. Returns what it was.

    `forget` is called first, in the same transaction, to drop records; `only` limits what may
    go. What is `claimed` stays, and so do layers that are `unpacked` for images or for steps.
    Nobody may claim more meanwhile. Raises DigestMismatchError and ManifestError, having changed
    nothing, for a damaged image: what it leads to cannot be known.
    """
    with database.writing() as connection:
        if forget is not None:
            forget(connection)
        found = reach(blobs, names.listed(connection))
        for image in found.orphans:  # what was said about images that are gone goes too
            names.remove(connection, image.reference)
        if found.orphans:
            names.write_layout(connection, blobs.root)
        images = needed_by_images(blobs, found.descriptors)
        remembered = needed_by_steps(connection)
        needed = Content(
            images.blobs | remembered.blobs, unpacked.kept(images.snapshots, remembered.snapshots)
        )
        garbage = (only or everything(blobs)) - needed
        garbage = _without(garbage, claimed)
        steps.forget_diff_ids(connection, garbage.blobs)
        uses.forget_unremembered(connection)
        uses.forget_sizes(connection, garbage.snapshots)
    return _move(blobs, garbage, grave)


def empty(grave: Path) -> None:
    """Delete what was moved into a grave, several things at a time: it is the disk that is slow."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(_delete, list(grave.iterdir())):
            pass


def _without(garbage: Content, claimed: Collection[str]) -> Content:
    return Content(
        {digest for digest in garbage.blobs if str(digest) not in claimed},
        garbage.snapshots - set(claimed),
    )


def _move(blobs: BlobStore, garbage: Content, grave: Path) -> Freed:
    size = 0
    for digest in garbage.blobs:
        with suppress(FileNotFoundError):
            size += blobs.path(digest).stat().st_size
            blobs.path(digest).rename(grave / f"blob-{digest.hex}")
    for name in garbage.snapshots:
        with suppress(FileNotFoundError):
            (blobs.root / SNAPSHOTS / name).rename(grave / name)
    return Freed(len(garbage.blobs) + len(garbage.snapshots), size)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink()
