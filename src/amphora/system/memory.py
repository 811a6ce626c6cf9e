"""Directories that are in memory only: what is in them is never written to a disk."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amphora.system import syscalls


@contextmanager
def memory_directory(path: Path) -> Iterator[Path]:
    """A new directory in memory, nobody else's to read; gone, with all in it, at the end.

    Needs the worker's namespaces. However the worker dies, what was in it is gone as well.
    """
    path.mkdir()
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    syscalls.mount("none", path, "tmpfs", flags, "mode=0700")
    try:
        yield path
    finally:
        syscalls.unmount(path, syscalls.MNT_DETACH)
        path.rmdir()


@contextmanager
def scratch_directory(parent: Path) -> Iterator[Path]:
    """A new directory in another one, for as long as somebody needs it.

    Whoever has the other one may remove it with all in it meanwhile.
    """
    path = parent / secrets.token_hex(8)
    path.mkdir()
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
