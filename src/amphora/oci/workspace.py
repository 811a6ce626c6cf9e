"""A process's own directory in the store, for what is not finished yet.

A workspace lives as long as the process that holds its lock. What a killed process
left is told by a lock that nobody holds, and removed by whoever sweeps next.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amphora.system.beneath import remove_directory
from amphora.system.files import is_locked, locked

_DIRECTORY = "work"
_LOCK_SUFFIX = ".lock"


@contextmanager
def workspace(store_root: Path) -> Iterator[Path]:
    """A new empty directory below the store, on the same file system; removed at the end."""
    parent = store_root / _DIRECTORY
    parent.mkdir(exist_ok=True)
    path = parent / secrets.token_hex(4)
    lock = path.with_suffix(_LOCK_SUFFIX)
    with locked(lock):
        try:
            path.mkdir()
            yield path
        finally:
            remove_tree(path)
            lock.unlink()


def sweep_workspaces(store_root: Path) -> int:
    """Remove the workspaces of processes that are gone; returns how many there were.

    Must run where the workspaces' owners are known: in a worker's user namespace.
    """
    return sum(map(_remove_if_abandoned, (store_root / _DIRECTORY).glob(f"*{_LOCK_SUFFIX}")))


def abandoned_workspaces(store_root: Path) -> list[Path]:
    """The workspaces that `sweep_workspaces` would remove."""
    locks = (store_root / _DIRECTORY).glob(f"*{_LOCK_SUFFIX}")
    return [lock.with_suffix("") for lock in locks if not is_locked(lock)]


def remove_tree(path: Path) -> None:
    """Remove a directory tree, if it is there, however deep it is."""
    if path.exists():
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_directory(os.fsencode(path.name), parent)
        finally:
            os.close(parent)


def _remove_if_abandoned(lock: Path) -> bool:
    try:
        with locked(lock, wait=False):
            remove_tree(lock.with_suffix(""))
            lock.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    return True
