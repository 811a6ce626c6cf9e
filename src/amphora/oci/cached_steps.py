"""What builds remember, as entries of the cache: blobs and unpacked layers, of steps or none."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from amphora.core.digest import Digest
from amphora.oci import names, steps, uses
from amphora.oci.blobs import BlobStore
from amphora.oci.cache_entry import CacheEntry, EntryType, Piece, PieceKind, entry_id
from amphora.oci.database import Database
from amphora.oci.garbage import SNAPSHOTS, everything, needed_by_images
from amphora.oci.referrers import reach
from amphora.oci.steps import CacheRecord
from amphora.oci.uses import Used
from amphora.system.usage import disk_usage

_OF_IMAGE = "unpacked layer of an image"
_OF_NOTHING = "unpacked layer that no image and no step leads to"
_BLOB_OF_NOTHING = "content that no image and no step leads to"
#: A step that was remembered before it was noted what steps were.
_OF_BEFORE = "step of a build"


def cached(blobs: BlobStore, database: Database, claimed: Collection[str]) -> list[CacheEntry]:
    """The steps that are remembered, and what lies in the store beside them and the images.

    Of what is claimed, somebody makes use now.

    Measures what was unpacked since this was asked for last. Needs the worker. Raises what
    `read_document` raises, for a damaged image.
    """
    uses.fold(blobs.root, database)
    with database.reading() as connection:
        found = _Found(blobs, connection)
        sizes = uses.sizes(connection)
    measured = _measure(blobs.root / SNAPSHOTS, found.there.snapshots - sizes.keys())
    if measured:
        with database.writing() as connection:
            uses.keep_sizes(connection, measured)
    found.sizes = sizes | measured
    entries = [*found.steps(), *found.unpacked(), *found.nameless()]
    return [replace(entry, in_use=not _names_in(entry).isdisjoint(claimed)) for entry in entries]


class _Found:
    """What was in a store at one moment, and what it was needed for."""

    def __init__(self, blobs: BlobStore, connection: sqlite3.Connection) -> None:
        self._blobs = blobs
        self._snapshots = blobs.root / SNAPSHOTS
        records = steps.listed(connection).items()
        self._records = {key: record for key, record in records if _is_entry(key, record)}
        used = uses.listed(connection).items()
        self._used = {key: use for key, use in used if key in self._records}
        self.there = everything(blobs)
        reached = reach(blobs, names.listed(connection)).descriptors
        self._images = needed_by_images(blobs, reached)
        #: Bytes of unpacked layers, by the hex of their chain IDs.
        self.sizes: Mapping[str, int] = {}

    def steps(self) -> Iterator[CacheEntry]:
        """Each with its layer, and what that unpacks to where no image has the same."""
        makers = self._makers()
        for key, record in self._records.items():
            created = _seconds(record.created)
            digest = record.layer.digest if record.layer else None
            written = _changed(self._blobs.path(digest)) if digest else created
            known = self._used.get(key)
            yield CacheEntry(
                name=key,
                type=EntryType.REGULAR,
                description=_description(key, known),
                created=created,
                used=known.used if known else written,
                pieces=tuple(self._pieces(digest, known)),
                times=known.times if known else 0,
                place=known.place if known else 0,
                parents=tuple(makers.get(known.use.parent, ())) if known else (),
                step=True,
            )

    def unpacked(self) -> Iterator[CacheEntry]:
        """The unpacked layers of images, and those that nothing leads to."""
        used = self._last_uses()
        of_steps = {made.hex for made in self._makers() if made} - self._images.snapshots
        for name in self.there.snapshots - of_steps:
            of_image = name in self._images.snapshots
            created = _changed(self._snapshots / name)
            yield CacheEntry(
                name=name,
                type=EntryType.INTERNAL if of_image else EntryType.REGULAR,
                description=_OF_IMAGE if of_image else _OF_NOTHING,
                created=created,
                used=max(created, used.get(name, created)),
                pieces=(self._snapshot(name),),
            )

    def nameless(self) -> Iterator[CacheEntry]:
        """Blobs that nothing leads to: of images that were removed, of what was interrupted."""
        known = {record.layer.digest for record in self._records.values() if record.layer}
        for digest in self.there.blobs - self._images.blobs - known:
            written = _changed(self._blobs.path(digest))
            pieces = (self._blob(digest),)
            yield CacheEntry(
                str(digest), EntryType.REGULAR, _BLOB_OF_NOTHING, written, written, pieces
            )

    def _pieces(self, layer: Digest | None, known: Used | None) -> Iterator[Piece]:
        if layer is None:
            return
        if layer in self.there.blobs:
            yield self._blob(layer)
        if known is not None and known.use.chain is not None:
            name = known.use.chain.hex
            if name in self.there.snapshots and name not in self._images.snapshots:
                yield self._snapshot(name)

    def _blob(self, digest: Digest) -> Piece:
        size = 0
        with suppress(FileNotFoundError):
            size = self._blobs.path(digest).stat().st_size
        return Piece(PieceKind.BLOB, str(digest), size, needed=digest in self._images.blobs)

    def _snapshot(self, name: str) -> Piece:
        return Piece(PieceKind.SNAPSHOT, name, self.sizes.get(name, 0))

    def _makers(self) -> dict[Digest | None, list[str]]:
        """The IDs of the steps that made a layer, by what they came to."""
        found = defaultdict[Digest | None, list[str]](list)
        for key, known in self._used.items():
            chain = known.use.chain
            if chain is not None and chain != known.use.parent:
                found[chain].append(entry_id(key))
        return found

    def _last_uses(self) -> dict[str, float]:
        """When an unpacked layer was last built upon."""
        found: dict[str, float] = {}
        for known in self._used.values():
            for chain in (known.use.parent, known.use.chain):
                if chain is not None:
                    found[chain.hex] = max(known.used, found.get(chain.hex, 0.0))
        return found


def _names_in(entry: CacheEntry) -> set[str]:
    return {entry.name, *(piece.name for piece in entry.pieces)}


def _is_entry(key: str, record: CacheRecord) -> bool:
    """Not what was only measured: how long something took, what the digest of files is."""
    only_digest = record.layer is None and record.diff_id is not None
    return not only_digest and not key.startswith("seconds ")


def _description(key: str, known: Used | None) -> str:
    if known is not None:
        return known.use.title
    # What is no step of a Dockerfile has a key that says what it is.
    return key if " " in key else _OF_BEFORE


def _measure(directory: Path, names: Iterable[str]) -> dict[str, int]:
    wanted = sorted(names)
    with ThreadPoolExecutor() as pool:
        found = pool.map(disk_usage, [directory / name for name in wanted])
        return dict(zip(wanted, found, strict=True))


def _changed(path: Path) -> float:
    """When a file or directory was put there; what went meanwhile is as old as can be."""
    try:
        return path.lstat().st_ctime
    except FileNotFoundError:
        return 0.0


def _seconds(created: str) -> float:
    """Since 1970, of RFC 3339; 0 for what says nothing."""
    with suppress(ValueError, OverflowError):  # a cache of somebody else's may say anything
        return max(0.0, datetime.fromisoformat(created).timestamp())
    return 0.0
