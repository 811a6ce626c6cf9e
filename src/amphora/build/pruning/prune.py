"""The entries of a store's build cache, wherever they are kept, and removing some of them."""

import os
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from amphora.build.context_hashes import forget_contexts, kept_contexts
from amphora.build.pruning.filters import Filter, matching
from amphora.build.pruning.limits import Limits, choose, freed_by
from amphora.core.digest import Digest
from amphora.oci import steps
from amphora.oci.cache_entry import CacheEntry, EntryType, Piece, PieceKind
from amphora.oci.cache_mounts import CacheMounts
from amphora.oci.cached_steps import cached
from amphora.oci.claims import Claimed
from amphora.oci.garbage import SNAPSHOTS, Content, Unpacked, bury, empty, everything
from amphora.oci.store import Store
from amphora.oci.workspace import remove_tree, sweep_workspaces, workspace
from amphora.remote.download import forget_downloads, kept_downloads
from amphora.system.usage import free_space

#: Bytes that SQLite needs to read and to write, and more.
_ROOM = 4 << 20


class Pruned(Struct, frozen=True):
    """What was removed, and the bytes that are free now.

    Less than the entries had together where images, or entries that stay, have some of it.
    """

    entries: list[CacheEntry]
    freed: int


def entries_of(store: Store) -> list[CacheEntry]:
    """All of the cache; needs the worker. Raises what `cached` raises."""
    return [*_mounts(store.root), *_others(store, store.blobs.claims.of_others())]


def prune(store: Store, *, filters: Sequence[Filter], limits: Limits, internal: bool) -> Pruned:
    """Remove what is meant and nobody uses; with `internal`, what images give again, too.

    Others go on meanwhile. Raises what `entries_of` raises.
    """
    sweep_workspaces(store.root)
    _make_room(store)
    measured = entries_of(store)  # before others have to wait
    with workspace(store.root) as grave:
        with store.pruning() as claimed:
            mounts = [each for each in measured if each.type is EntryType.CACHE_MOUNT]
            found = [*mounts, *_others(store, claimed)]
            counted = [each for each in found if internal or each.type != EntryType.INTERNAL]
            candidates = [each for each in matching(counted, filters) if not each.in_use]
            gone = choose(candidates, counted, limits, free_space(store.root))
            clean = internal and not filters and not limits.given
            _remove_content(store, gone, grave, claimed, internal=internal, clean=clean)
            gone = _remove_files(store.root, gone, grave)
        empty(grave)
    return Pruned(gone, freed_by(gone, found))


def _make_room(store: Store) -> None:
    """On a disk that is full the database cannot even be read: layers are unpacked again."""
    with store.pruning() as claimed:
        for name in sorted(everything(store.blobs).snapshots - claimed.names):
            if free_space(store.root) >= _ROOM:
                break
            remove_tree(store.root / SNAPSHOTS / name)


def _others(store: Store, claimed: Claimed) -> list[CacheEntry]:
    """All but the cache mounts, each of which has a lock of its own."""
    return [
        *cached(store.blobs, store.database, claimed.names),
        *_downloads(store.root, in_use=claimed.busy),
        *_contexts(store.root),
    ]


def _remove_content(
    store: Store,
    gone: Collection[CacheEntry],
    grave: Path,
    claimed: Claimed,
    *,
    internal: bool,
    clean: bool,
) -> None:
    """Steps with their layers; `clean` has everything forgotten that builds ever measured."""
    pieces = {piece for entry in gone for piece in entry.pieces}
    blobs = {Digest.parse(piece.name) for piece in pieces if piece.kind is PieceKind.BLOB}
    snapshots = {piece.name for piece in pieces if piece.kind is PieceKind.SNAPSHOT}

    def forget(connection: sqlite3.Connection) -> None:
        if clean:
            steps.forget(connection, steps.listed(connection).keys() - claimed.names)
        else:
            steps.forget(connection, (entry.name for entry in gone if entry.step))

    bury(
        store.blobs,
        store.database,
        grave,
        forget=forget,
        only=Content(blobs, snapshots),
        claimed=claimed.names,
        unpacked=Unpacked.OF_STEPS if internal else Unpacked.OF_STEPS | Unpacked.OF_IMAGES,
    )


def _remove_files(root: Path, gone: Sequence[CacheEntry], grave: Path) -> list[CacheEntry]:
    """What is no step and no content; returns what is gone, without what is in use by now."""
    names: dict[EntryType, list[str]] = {kind: [] for kind in EntryType}
    for entry in gone:
        names[entry.type].append(entry.name)
    if names[EntryType.DOWNLOAD]:
        forget_downloads(root, names[EntryType.DOWNLOAD])
    forget_contexts(root, names[EntryType.CONTEXT])
    mounts = CacheMounts(root)
    stay = {name for name in names[EntryType.CACHE_MOUNT] if not mounts.bury(name, grave)}
    return [entry for entry in gone if entry.name not in stay]


def _mounts(root: Path) -> list[CacheEntry]:
    return [
        CacheEntry(
            name=kept.key,
            type=EntryType.CACHE_MOUNT,
            description=f"cache mount {kept.id}",
            created=kept.created,
            used=kept.used,
            pieces=(Piece(PieceKind.FILE, f"mounts/{kept.key}", kept.size),),
            mutable=True,
            in_use=kept.in_use,
        )
        for kept in CacheMounts(root).kept()
    ]


def _downloads(root: Path, *, in_use: bool) -> list[CacheEntry]:
    """While anybody uses the store, it may be one of these."""
    return [
        CacheEntry(
            name=kept.name,
            type=EntryType.DOWNLOAD,
            description=f"fetched from {kept.shown or 'a URL'}",
            created=kept.created,
            used=kept.used,
            pieces=(Piece(PieceKind.FILE, f"remote/{kept.path.name}", kept.size),),
            in_use=in_use,
        )
        for kept in kept_downloads(root)
    ]


def _contexts(root: Path) -> list[CacheEntry]:
    found = []
    for path in kept_contexts(root):
        with suppress(FileNotFoundError):  # builds remove the oldest
            found.append(_context(path, path.stat()))
    return found


def _context(path: Path, status: os.stat_result) -> CacheEntry:
    return CacheEntry(
        name=path.name,
        type=EntryType.CONTEXT,
        description="digests of the files of a directory",
        created=status.st_mtime,
        used=status.st_mtime,
        pieces=(Piece(PieceKind.FILE, f"contexts/{path.name}", status.st_size),),
        mutable=True,
    )
