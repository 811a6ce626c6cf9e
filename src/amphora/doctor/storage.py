"""The store: can it be written to durably, has it room, and what have killed processes left?

Runs in the worker, like whatever else uses the store.
"""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from amphora.core.errors import AmphoraError
from amphora.doctor.check import Check, Remedy, failed, ok, problem, refused, warning
from amphora.oci import names
from amphora.oci.store import Store
from amphora.oci.workspace import abandoned_workspaces, sweep_workspaces, workspace
from amphora.system.files import write_atomically

#: Bytes below which a build of anything fails, and below which it soon will.
_TOO_LITTLE, _LITTLE = 256 << 20, 4 << 30

#: Files that a base image of Debian has, twice.
_FEW_FILES = 20_000

_FREE_SPACE = "amphora builder prune --all"
_SWEEP = "amphora doctor --fix"


def open_store(root: Path) -> tuple[Store | None, list[Check]]:
    """The store, made if it is missing, and proof that it can be written to; None if it cannot."""
    try:
        store = Store(root)
        with workspace(root) as work:
            _write_and_read(work / "witness")
        count = len(store.images())
    except AmphoraError as error:
        return None, [failed("store", error)]
    except OSError as error:
        return None, [refused("store", error, _elsewhere(root, error))]
    seen = f"{root}: written to, synced and read back; {count} images"
    return store, [ok("store", seen)]


def check_store(store: Store) -> Iterator[Check]:
    """Room, layout and leftovers of a store that can be written to."""
    yield _room(store.root)
    yield _layout(store)
    workspaces = len(abandoned_workspaces(store.root))
    files = sum(1 for _ in store.blobs.abandoned())
    files += len(names.temporary_files(store.root))
    if workspaces or files:
        seen = f"killed processes have left {workspaces} workspaces and {files} files"
        yield warning("leftovers", seen, _SWEEP, remedy=Remedy.LEFTOVERS)
    else:
        yield ok("leftovers", "killed processes have left nothing")


def sweep(store: Store) -> str:
    """Remove what killed processes left; live ones are not disturbed. Says what went."""
    count = sweep_workspaces(store.root)
    freed = store.sweep()
    return f"{count} workspaces removed, and files of {freed} bytes"


def _write_and_read(path: Path) -> None:
    content = secrets.token_bytes(32)
    write_atomically(path, content)
    if path.read_bytes() != content:
        raise OSError(None, "what was written is not what is read", str(path))


def _room(root: Path) -> Check:
    space = os.statvfs(root)
    free = space.f_bavail * space.f_frsize
    seen = f"{free / 1e9:.1f} GB free"
    if free < _TOO_LITTLE:
        return problem("disk space", seen, _FREE_SPACE)
    if free < _LITTLE:
        return warning("disk space", seen, _FREE_SPACE)
    if space.f_files and space.f_favail < _FEW_FILES:
        return warning("disk space", f"{seen}, but only for {space.f_favail} files", _FREE_SPACE)
    return ok("disk space", seen)


def _layout(store: Store) -> Check:
    """Does the layout say what the database says, and so what other programs see?"""
    path = store.root / names.LAYOUT_FILE
    with store.database.reading() as connection:
        current = names.layout_is_current(connection, store.root)
    if not current or not path.exists():
        seen = f"{names.INDEX_FILE} or {names.LAYOUT_FILE} is missing, or older than the database"
        return warning("store's layout", seen, _SWEEP, remedy=Remedy.LEFTOVERS)
    return ok("store's layout", "an OCI image layout that other programs can read")


def _elsewhere(root: Path, error: OSError) -> str:
    """Another place, or the owner's rights."""
    if isinstance(error, PermissionError) and root.exists() and root.stat().st_uid != 0:
        return f"run it as the user that {root} belongs to, or choose another with --store"
    return "choose another place: export AMPHORA_STORE=DIRECTORY"
