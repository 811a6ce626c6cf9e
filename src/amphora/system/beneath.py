"""A directory tree nobody can climb out of: paths resolve in it as they would after chroot.

Every step is taken from an open directory and never through a symlink, which is read
and followed by hand, inside the tree. So `..`, absolute links and links to links end
where they would for a process whose root this is, and nothing outside is touched
whatever the tree holds. For trees in which nobody else moves directories meanwhile.
https://man7.org/linux/man-pages/man7/path_resolution.7.html
"""

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

#: What the kernel allows in one path: links followed, bytes.
_MOST_LINKS = 40
_LONGEST_PATH = 4096

_REMEMBERED = 64
_MADE_MODE = 0o755
_ENTER = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC

Names = tuple[bytes, ...]


class Place(Struct, frozen=True):
    """A directory in the tree: an open descriptor (for `dir_fd`) and its real path.

    Good until many others are asked for, or one other after something was removed.
    """

    descriptor: int
    path: Names


def names_in(path: bytes) -> Names:
    """The names in a path; `.` and `..` are taken away as text, never above the root."""
    names: list[bytes] = []
    for name in path.split(b"/"):
        if name == b"..":
            del names[-1:]
        elif name not in (b"", b"."):
            names.append(name)
    return tuple(names)


class Tree:
    """The tree below a directory, used in a `with` statement by one thread.

    `made` counts the directories that `directory` had to make.
    """

    def __init__(self, root: Path) -> None:
        self._root_path = root
        self._known: dict[Names, Place] = {}
        self._stale = False
        self.made = 0

    def __enter__(self) -> Self:
        self._root = os.open(self._root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._forget()
        os.close(self._root)

    def directory(self, names: Names, *, make: bool = False) -> Place:
        """The directory a path leads to, links followed; with `make`, missing ones are made.

        They get mode 0755. Raises FileNotFoundError, NotADirectoryError, and OSError
        for too many links or a path that is too long.
        """
        if self._stale:
            self._forget()
        place = self._known.pop(names, None)
        if place is None:
            if len(self._known) >= _REMEMBERED:
                os.close(self._known.pop(next(iter(self._known))).descriptor)
            place = self._walk(names, make)
        self._known[names] = place
        return place

    def remove(self, place: Place, name: bytes) -> None:
        """Remove whatever has that name in a directory, with all below it; it may be missing."""
        self._stale = True
        try:
            os.unlink(name, dir_fd=place.descriptor)
        except IsADirectoryError:
            remove_directory(name, place.descriptor)
        except FileNotFoundError:
            pass

    def _forget(self) -> None:
        for place in self._known.values():
            os.close(place.descriptor)
        self._known.clear()
        self._stale = False

    def _walk(self, names: Names, make: bool) -> Place:
        _check_length(names)
        walk = _Walk(self._root)
        try:
            walk.follow(names, make)
        except BaseException:
            os.close(walk.here)
            raise
        self.made += walk.made
        return Place(walk.here, tuple(walk.path))


class _Walk:
    """One resolution: `here` is open, `path` is its real path, `made` counts new directories."""

    def __init__(self, root: int) -> None:
        self._root = root
        self.here = os.open(".", _ENTER, dir_fd=root)
        self.path: list[bytes] = []
        self.made = 0

    def follow(self, names: Names, make: bool) -> None:
        pending = list(reversed(names))
        links = 0
        while pending:
            name = pending.pop()
            if name == b"..":
                self._up()
            elif name not in (b"", b".") and not self._down(name, make):
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                pending += reversed(self._link(name).split(b"/"))

    def _up(self) -> None:
        if self.path:
            self._enter(os.open("..", _ENTER, dir_fd=self.here))
            self.path.pop()

    def _down(self, name: bytes, make: bool) -> bool:
        """Enter a directory; False if that name is no directory."""
        try:
            try:
                entered = os.open(name, _ENTER, dir_fd=self.here)
            except FileNotFoundError:
                if not make:
                    raise
                entered = self._make(name)
        except NotADirectoryError:
            return False
        self._enter(entered)
        self.path.append(name)
        return True

    def _make(self, name: bytes) -> int:
        _check_length((*self.path, name))
        os.mkdir(name, dir_fd=self.here)
        # Whatever the umask says.
        os.chmod(name, _MADE_MODE, dir_fd=self.here)
        self.made += 1
        return os.open(name, _ENTER, dir_fd=self.here)

    def _link(self, name: bytes) -> bytes:
        """What a link says, having gone to the root if it is absolute."""
        try:
            target = os.readlink(name, dir_fd=self.here)
        except OSError as error:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
        if target.startswith(b"/"):
            self._enter(os.open(".", _ENTER, dir_fd=self._root))
            self.path.clear()
        return target

    def _enter(self, directory: int) -> None:
        os.close(self.here)
        self.here = directory


def _check_length(names: Names) -> None:
    if sum(map(len, names)) + len(names) > _LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def remove_directory(name: bytes, parent: int) -> None:
    """Remove a directory and all below it, however deep, without following links.

    `parent` is the open directory it is in. Needs two descriptors and no recursion.
    """
    here = os.open(name, _LIST, dir_fd=parent)
    names = [name]
    try:
        pending = [_unlink_files(here)]
        while names:
            if pending[-1]:
                names.append(pending[-1].pop())
                deeper = os.open(names[-1], _LIST, dir_fd=here)
                os.close(here)
                here = deeper
                pending.append(_unlink_files(here))
            else:
                pending.pop()
                above = os.open("..", _LIST, dir_fd=here)
                os.close(here)
                here = above
                os.rmdir(names.pop(), dir_fd=here)
    finally:
        os.close(here)


def _unlink_files(directory: int) -> list[bytes]:
    """Remove what is not a directory; returns the names of the directories."""
    directories = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(os.fsencode(entry.name))
            else:
                os.unlink(entry.name, dir_fd=directory)
    return directories
