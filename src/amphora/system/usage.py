"""The room that files take on their disk."""

import os
from contextlib import suppress
from pathlib import Path

#: The unit of `st_blocks`, whatever the file system's own blocks are (stat(3type)).
_BLOCK = 512


def disk_usage(directory: Path) -> int:
    """Bytes of all below a directory and of itself, as du(1) has them; links are not followed.

    A file with several names counts once. What vanishes meanwhile does not count.
    """
    seen = set[tuple[int, int]]()
    total = 0
    with suppress(FileNotFoundError):
        total = directory.lstat().st_blocks
    pending = [os.fspath(directory)]
    while pending:
        with suppress(FileNotFoundError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    total += _blocks(entry, seen)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return total * _BLOCK


def _blocks(entry: os.DirEntry[str], seen: set[tuple[int, int]]) -> int:
    status = entry.stat(follow_symlinks=False)
    if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return 0
        seen.add(identity)
    return status.st_blocks


def free_space(path: Path) -> int:
    """Bytes that an ordinary user may still write to the file system of a path."""
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
