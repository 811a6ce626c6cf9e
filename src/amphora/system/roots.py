"""Paths below a root directory, resolved as a process chrooted there would see them.

For trees that nobody changes meanwhile: the answer is a path, not an open file.
"""

import errno
import os
import stat
from pathlib import Path

#: As the kernel's limit on links followed in one path (path_resolution(7)).
_MAX_LINKS = 40


def resolve_in_root(root: Path, path: str, *, follow_last: bool = True) -> Path:
    """Where `path` is, with every symbolic link resolved inside `root`.

    What does not exist is taken literally. Raises OSError (ELOOP) for circular links.
    """
    pending = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    reached: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del reached[-1:]
            continue
        target = _link_target(root.joinpath(*reached, part)) if pending or follow_last else None
        if target is None:
            reached.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            reached.clear()
        pending.extend(part for part in reversed(target.split("/")) if part not in {"", "."})
    return root.joinpath(*reached)


def read_in_root(root: Path, path: str, limit: int = 1 << 20) -> bytes | None:
    """The first `limit` bytes of a regular file below `root`, or None if it is not there.

    What an image puts in a file's place (a pipe, a device) is neither opened nor waited for.
    """
    try:
        real = resolve_in_root(root, path)
        if not stat.S_ISREG(real.lstat().st_mode):
            return None
        with real.open("rb") as file:
            return file.read(limit)
    except (OSError, ValueError):
        return None


def _link_target(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except (OSError, ValueError):
        # ValueError: a NUL, or what no file name can be spelled with.
        return None
