"""Places to mount on that the image does not have: made for one RUN, and gone after it.

As with BuildKit, what was made goes again unless the command put something into it, and
directories on the way keep their times. So a RUN that only uses a mount changes nothing.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from amphora.build.copying import KeptTimes
from amphora.core.errors import ContextError
from amphora.system.roots import resolve_in_root

#: Below these a container has file systems of its own, which are no part of the image.
_NOT_THE_IMAGES = frozenset({"proc", "sys", "dev"})


class _Looks(Struct, frozen=True):
    """What a directory that nobody changed has again."""

    status: tuple[int, int, int, int]
    attributes: dict[str, bytes]

    @classmethod
    def of(cls, path: Path) -> "_Looks":
        status = path.lstat()
        return cls(
            (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns),
            {name: os.getxattr(path, name) for name in os.listxattr(path)},
        )


class Stubs:
    """The places made in one mounted root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: list[Path] = []
        self._above: dict[Path, _Looks] = {}

    def make(self, target: str, *, directory: bool) -> None:
        """Make sure that a target, absolute in the root, is a directory or a file.

        Raises ContextError if something else is there.
        """
        place = resolve_in_root(self._root, target)
        if place == self._root or place.relative_to(self._root).parts[0] in _NOT_THE_IMAGES:
            return
        if os.path.lexists(place):
            if place.is_dir() != directory:
                raise _in_the_way(target, directory=directory)
            return
        missing = [place]
        while not os.path.lexists(missing[-1].parent):
            missing.append(missing[-1].parent)
        top = missing[-1].parent
        if not top.is_dir():
            raise _in_the_way(target, directory=directory)
        self._note(top)
        for path in reversed(missing):
            with KeptTimes(path.parent):
                if path != place or directory:
                    path.mkdir()
                else:
                    path.touch()
            path.chmod(0o755 if path.is_dir() else 0o644)
            self._made.append(path)

    def clear(self) -> list[Path]:
        """Remove what is still empty; returns the directories that were above, relative.

        Nobody changed these: overlayfs keeps copies of them only for what is gone now.
        The deepest come first.
        """
        for path in reversed(self._made):
            if _is_empty(path):
                with KeptTimes(path.parent):
                    path.rmdir() if path.is_dir() else path.unlink()
        same = [path for path, looks in self._above.items() if _still(path, looks)]
        same.sort(key=lambda path: len(path.parts), reverse=True)
        return [path.relative_to(self._root) for path in same]

    def _note(self, path: Path) -> None:
        while path != self._root and path not in self._made and path not in self._above:
            self._above[path] = _Looks.of(path)
            path = path.parent


def drop_copies(upper: Path, untouched: Sequence[Path]) -> None:
    """Remove from an overlay's upper directory what is there as a mere, empty copy."""
    for relative in untouched:
        copy = upper / relative
        if copy.is_dir() and not any(copy.iterdir()):
            copy.rmdir()


def _is_empty(path: Path) -> bool:
    if path.is_symlink() or not path.exists():
        return False
    return not any(path.iterdir()) if path.is_dir() else path.stat().st_size == 0


def _still(path: Path, looks: _Looks) -> bool:
    return path.is_dir() and not path.is_symlink() and _Looks.of(path) == looks


def _in_the_way(target: str, *, directory: bool) -> ContextError:
    kind = "directory" if directory else "file"
    return ContextError(
        f"cannot mount a {kind} on {target}",
        why="the image has something else of that name",
        next_command="choose another target, or RUN rm it first",
    )
