"""Putting files into a root file system, as COPY and ADD do."""

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from amphora.build.filetree import Entry, Source
from amphora.build.modes import SymbolicMode
from amphora.build.unpacking import is_archive, unpack_archive
from amphora.core.errors import ContextError
from amphora.runtime.spec import User
from amphora.system.files import explain_full_disk
from amphora.system.roots import resolve_in_root

_NEW_DIRECTORY_MODE = 0o755


class CopyRules(Struct, frozen=True):
    """How files change on their way.

    `owner` None keeps the source's; `mode` None keeps the source's; `mtime` (seconds)
    None keeps the source's. With `unpack` a tar's files are put there in its place, with
    their own modes and, unless `chowned` is, their own owners.
    """

    owner: User | None = None
    mode: int | SymbolicMode | None = None
    mtime: int | None = None
    unpack: bool = False
    chowned: User | None = None

    def for_source(self, source: Source) -> "CopyRules":
        """With what this source brings along, where nothing else is asked for."""
        return replace(
            self,
            mode=source.mode if self.mode is None else self.mode,
            mtime=source.mtime if self.mtime is None else self.mtime,
            unpack=self.unpack if source.unpack is None else source.unpack,
        )


def copy_sources(sources: Sequence[Source], root: Path, destination: str, rules: CopyRules) -> None:
    """Copy into the root: a directory's contents, a file under its name or the one given.

    `destination` is absolute, inside the root; a trailing slash, or more than one
    source, makes it a directory. Directories on the way that existed keep their
    times, so that the layer depends on nothing but what it holds. Raises
    ContextError where a directory would have to replace a file or the reverse.
    """
    target = resolve_in_root(root, destination)
    into_directory = destination.endswith(("/", "/.")) or len(sources) > 1 or target.is_dir()
    with explain_full_disk(root):
        for source in sources:
            copier = _Copier(root, rules.for_source(source))
            if copier.rules.unpack and is_archive(source.entries[0].real):
                copier.unpack(source, target)
            elif source.is_directory or not into_directory:
                copier.copy(source, target)
            else:
                copier.copy(source, target / source.name)


def make_directory(root: Path, path: Path, owner: User, mtime_ns: int) -> None:
    """Create a directory and what is missing above it; existing parents keep their times.

    Raises ContextError if something else is in the way.
    """
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = path.parent
    if not path.is_dir():
        raise _not_a_directory(root, path)
    for directory in reversed(missing):
        with KeptTimes(directory.parent):
            directory.mkdir()
        directory.chmod(_NEW_DIRECTORY_MODE)
        _own(directory, owner)
        os.utime(directory, ns=(mtime_ns, mtime_ns))


class _Copier:
    """Copies one source; files that share an inode in the source share one in the copy."""

    def __init__(self, root: Path, rules: CopyRules) -> None:
        self._root = root
        self.rules = rules
        self._linked: dict[tuple[int, int], Path] = {}

    def unpack(self, source: Source, place: Path) -> None:
        """Put the files of an archive into a directory."""
        archive = source.entries[0]
        make_directory(self._root, place, self.rules.owner or User(), self._mtime_ns(archive))
        unpack_archive(archive.real, place, self._mtime_ns(archive), self.rules.chowned)

    def copy(self, source: Source, place: Path) -> None:
        """Put a file in that place, or a directory's contents into it.

        As with BuildKit, directories below that were there become like those of the
        source, and the place itself stays as it was; a new one gets an octal mode too.
        """
        top = source.entries[0]
        directory = place if source.is_directory else place.parent
        is_new = not os.path.lexists(directory)
        make_directory(self._root, directory, self.rules.owner or User(), self._mtime_ns(top))
        if is_new and source.is_directory and isinstance(self.rules.mode, int):
            directory.chmod(self.rules.mode)
        directories: list[tuple[Entry, Path]] = []
        for entry in source.entries[source.is_directory :]:
            target = place / entry.path if entry.path else place
            if not entry.is_directory:
                self._copy_leaf(entry, target)
            elif self._copy_directory(target) or not entry.on_the_way:
                directories.append((entry, target))
        # Last, since copying into a directory changes its time.
        for entry, target in reversed(directories):
            self._finish(entry, target)

    def _copy_directory(self, target: Path) -> bool:
        """Have a directory there; false if it was."""
        if target.is_dir() and not target.is_symlink():
            return False
        if os.path.lexists(target):
            raise _not_a_directory(self._root, target)
        with KeptTimes(target.parent):
            target.mkdir()
        return True

    def _copy_leaf(self, entry: Entry, target: Path) -> None:
        if target.is_dir() and not target.is_symlink():
            raise _is_a_directory(self._root, target)
        with KeptTimes(target.parent):
            target.unlink(missing_ok=True)
            inode = (entry.status.st_dev, entry.status.st_ino)
            if inode in self._linked:
                target.hardlink_to(self._linked[inode])
                return
            _make(entry, target)
        self._finish(entry, target)
        if entry.status.st_nlink > 1:
            self._linked[inode] = target

    def _finish(self, entry: Entry, target: Path) -> None:
        """Owner before mode: changing the owner clears set-uid bits."""
        status = entry.status
        _own(target, self.rules.owner or User(status.st_uid, status.st_gid))
        if not entry.is_link:
            target.chmod(self._mode(entry))
            _copy_attributes(entry, target)
        times = (self._mtime_ns(entry), self._mtime_ns(entry))
        os.utime(target, ns=times, follow_symlinks=False)

    def _mode(self, entry: Entry) -> int:
        own, wanted = stat.S_IMODE(entry.status.st_mode), self.rules.mode
        if isinstance(wanted, SymbolicMode):
            return wanted.applied_to(own, is_directory=entry.is_directory)
        return own if wanted is None else wanted

    def _mtime_ns(self, entry: Entry) -> int:
        """Directories made on the way take the time of what goes into them: never "now"."""
        if self.rules.mtime is not None:
            return self.rules.mtime * 10**9
        return entry.status.st_mtime_ns


class KeptTimes:
    """A directory whose times stay what they were, whatever is made in it meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        status = self._directory.stat()
        self._times = (status.st_atime_ns, status.st_mtime_ns)

    def __exit__(self, *_: object) -> None:
        os.utime(self._directory, ns=self._times)


def _make(entry: Entry, target: Path) -> None:
    if entry.is_link:
        target.symlink_to(entry.real.readlink())
    elif entry.is_file:
        shutil.copyfile(entry.real, target)
    elif stat.S_ISFIFO(entry.status.st_mode):
        os.mkfifo(target)
    else:
        raise ContextError(
            f"cannot copy {entry.path or entry.real.name}",
            why="it is a socket or a device, which no layer can hold for everybody",
            next_command="leave it out with .dockerignore",
        )


def _own(path: Path, owner: User) -> None:
    os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def _copy_attributes(entry: Entry, target: Path) -> None:
    """Extended attributes, where the file system takes them."""
    for name, value in entry.attributes().items():
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                raise


def _not_a_directory(root: Path, path: Path) -> ContextError:
    return ContextError(
        f"cannot make the directory /{path.relative_to(root)}",
        why="the image has something else of that name",
        next_command="choose another destination, or RUN rm it first",
    )


def _is_a_directory(root: Path, path: Path) -> ContextError:
    return ContextError(
        f"cannot copy a file to /{path.relative_to(root)}",
        why="the image has a directory of that name",
        next_command="end the destination with a slash to copy into it",
    )
