"""Making one file out of one entry of a tar, in a directory that is already open.

The file is always new: what had its name is removed first, and its last name is never
followed. https://github.com/containerd/containerd/blob/v2.0.0/pkg/archive/tar.go
"""

import errno
import os
import stat
from collections.abc import Callable
from typing import TypeVar

from amphora.core.errors import LayerError
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
    printable,
    travels,
)
from amphora.system.beneath import Names, Place, Tree, names_in

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: The nanoseconds whose seconds the kernel takes.
_TIMES = range(-(2**63) * 10**9, 2**63 * 10**9)

_MOST_NOTES = 1000

T = TypeVar("T")


class Unpacker:
    """Unpacks entries of `tar` into `tree`; all methods raise OSError and LayerError.

    Sets owners if this process is root in its namespace. `skipped` says in words what
    was left out: devices, and attributes that the file system does not take.
    """

    def __init__(self, tree: Tree, tar: TarReader) -> None:
        self._tree = tree
        self._tar = tar
        self._as_root = os.geteuid() == 0
        self._directory_times: dict[Names, int] = {}
        self.skipped: list[str] = []

    def unpack(self, entry: Entry, place: Place, name: bytes) -> None:
        """Put the entry at hand in a directory under that name."""
        if entry.kind == DIRECTORY:
            self._directory(entry, place, name)
        elif entry.kind == FILE:
            self._file(entry, place, name)
        elif entry.kind == HARDLINK:
            self._hardlink(entry, place, name)
        elif entry.kind == SYMLINK:
            at = place.descriptor
            self._replace(place, name, lambda: os.symlink(entry.link, name, dir_fd=at))
            self._describe_by_name(entry, place, name)
        elif entry.kind == FIFO:
            self._replace(place, name, lambda: os.mkfifo(name, dir_fd=place.descriptor))
            self._describe_by_name(entry, place, name)

    def skips(self, entry: Entry) -> bool:
        """True (and noted) for a device: the worker provides those, and only those."""
        if entry.kind not in {CHARACTER_DEVICE, BLOCK_DEVICE}:
            return False
        self._note(f"device {printable(entry.name)}")
        return True

    def remove(self, place: Place, name: bytes) -> None:
        """Remove what has that name, if anything has."""
        self._tree.remove(place, name)
        self._directory_times.pop((*place.path, name), None)

    def set_directory_times(self) -> None:
        """To be done last: every file made in a directory changes its time."""
        for path, time in self._directory_times.items():
            try:
                place = self._tree.directory(path[:-1])
            except OSError:
                continue  # one of its parents was removed again
            if place.path == path[:-1] and os.access(path[-1], os.F_OK, dir_fd=place.descriptor):
                _set_time(time, place, path[-1])

    def _directory(self, entry: Entry, place: Place, name: bytes) -> None:
        at = place.descriptor
        if not _is_directory(place, name):
            self._replace(place, name, lambda: os.mkdir(name, 0o700, dir_fd=at))
        descriptor = os.open(name, _DIRECTORY, dir_fd=at)
        try:
            self._describe(entry, descriptor)
        finally:
            os.close(descriptor)
        self._directory_times[*place.path, name] = entry.mtime

    def _file(self, entry: Entry, place: Place, name: bytes) -> None:
        at = place.descriptor
        file = self._replace(place, name, lambda: os.open(name, _NEW_FILE, 0o600, dir_fd=at))
        try:
            for piece in self._tar.content():
                written = 0
                while written < len(piece):
                    written += os.write(file, piece[written:])
            self._describe(entry, file)
            os.utime(file, ns=_both(entry.mtime))
        finally:
            os.close(file)

    def _hardlink(self, entry: Entry, place: Place, name: bytes) -> None:
        *parents, target = names_in(entry.link) or (b"",)
        source = self._tree.directory(tuple(parents))

        def link() -> None:
            os.link(
                target,
                name,
                src_dir_fd=source.descriptor,
                dst_dir_fd=place.descriptor,
                follow_symlinks=False,
            )

        self._replace(place, name, link)

    def _replace(self, place: Place, name: bytes, create: Callable[[], T]) -> T:
        """Create something that must not exist, in place of whatever does."""
        try:
            return create()
        except FileExistsError:
            self.remove(place, name)
            return create()

    def _describe(self, entry: Entry, file: int) -> None:
        """Owner, mode and attributes, in the order in which one does not undo another."""
        if self._as_root:
            _change_owner(entry, lambda uid, gid: os.fchown(file, uid, gid))
        os.fchmod(file, entry.mode)
        for name, value in entry.attributes.items():
            if travels(name):
                self._set_attribute(entry, file, name, value)

    def _describe_by_name(self, entry: Entry, place: Place, name: bytes) -> None:
        """What cannot be opened: symlinks, which have no mode, and fifos."""
        at = place.descriptor
        if self._as_root:
            _change_owner(
                entry,
                lambda uid, gid: os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False),
            )
        if entry.kind != SYMLINK:
            os.chmod(name, entry.mode, dir_fd=at)
        _set_time(entry.mtime, place, name)

    def _set_attribute(self, entry: Entry, file: int, name: str, value: bytes) -> None:
        try:
            os.setxattr(file, name, value)
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                raise
            self._note(f"attribute {printable(os.fsencode(name))} of {printable(entry.name)}")

    def _note(self, what: str) -> None:
        if len(self.skipped) < _MOST_NOTES:
            self.skipped.append(what)


def _is_directory(place: Place, name: bytes) -> bool:
    try:
        status = os.stat(name, dir_fd=place.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode)


def _change_owner(entry: Entry, change: Callable[[int, int], None]) -> None:
    try:
        change(entry.uid, entry.gid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise LayerError(
            f"{printable(entry.name)} cannot belong to {entry.uid}:{entry.gid}",
            why="this user namespace does not have so many users and groups",
            next_command="give your user more subordinate ids in /etc/subuid and /etc/subgid",
        ) from error


def _set_time(time: int, place: Place, name: bytes) -> None:
    os.utime(name, ns=_both(time), dir_fd=place.descriptor, follow_symlinks=False)


def _both(time: int) -> tuple[int, int]:
    """Access and modification time; what the kernel cannot take becomes 1970, as in Go."""
    return (time, time) if time in _TIMES else (0, 0)
