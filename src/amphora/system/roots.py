"""Paths below a root directory, resolved as a process chrooted there would see them.

For trees that nobody changes meanwhile: the answer is a path, not an open file.
"""

import errno
import os
import stat
from fnmatch import fnmatchcase
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
    real = find_in_root(root, path)
    if real is None:
        return None
    try:
        with real.open("rb") as file:
            return file.read(limit)
    except OSError:
        return None


def find_in_root(root: Path, path: str) -> Path | None:
    """The regular file that `path` leads to below `root`; None for anything else."""
    try:
        real = resolve_in_root(root, path)
        return real if stat.S_ISREG(real.lstat().st_mode) else None
    except (OSError, ValueError):
        return None


def list_in_root(root: Path, path: str) -> list[str]:
    """The names in a directory below `root`, sorted; none if it is not one."""
    try:
        return sorted(os.listdir(resolve_in_root(root, path)))
    except (OSError, ValueError):
        return []


def glob_in_root(root: Path, pattern: str) -> list[str]:
    """The paths below `root` of what matches: `*` stands for a part of a name."""
    paths = [""]
    for part in pattern.split("/"):
        if "*" in part:
            paths = [
                f"{path}{name}/"
                for path in paths
                for name in list_in_root(root, path)
                if fnmatchcase(name, part)
            ]
        else:
            paths = [f"{path}{part}/" for path in paths]
    return [path[:-1] for path in paths if _exists(root, path)]


def _exists(root: Path, path: str) -> bool:
    try:
        resolve_in_root(root, path).lstat()
    except (OSError, ValueError):
        return False
    return True


def _link_target(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except (OSError, ValueError):
        # ValueError: a NUL, or what no file name can be spelled with.
        return None
