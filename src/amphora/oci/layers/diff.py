"""Turning directory trees into tars: whole trees, and what changed in an overlay.

Equal trees give equal bytes: names are sorted, owners are numbers, times are whole
seconds, and nothing of the machine (inode order, overlayfs's notes, labels) gets in.
https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md
https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
"""

import os
import stat
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from amphora.oci.layers.encode import END, encode, padding
from amphora.oci.layers.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    OPAQUE_MARKER,
    SYMLINK,
    WHITEOUT_PREFIX,
    Entry,
    layer_error,
    printable,
    travels,
)

_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFIFO: FIFO,
}
_SECOND = 1_000_000_000
_CHUNK = 1024 * 1024
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_OPAQUE = frozenset({"user.overlay.opaque", "trusted.overlay.opaque"})
# With these, a file's content or a directory's children are somewhere else.
_ELSEWHERE = frozenset(
    f"{space}.overlay.{note}" for space in ("user", "trusted") for note in ("redirect", "metacopy")
)


class Writer(Protocol):
    """Whatever takes bytes: a LayerWriter, a file."""

    def write(self, chunk: bytes, /) -> int: ...


def write_diff(upper: Path, writer: Writer, *, clamp_mtime: int | None = None) -> int:
    """Write an overlay's upper directory as a layer; returns how many entries that made.

    Whiteouts (0:0 devices) become `.wh.` files and opaque directories get their marker.
    Times after `clamp_mtime` (seconds) become `clamp_mtime`. Sockets and the root
    itself are left out. Raises LayerError for a name or an overlay that a layer cannot
    say, and if a file shrinks meanwhile.
    """
    return _Diff(upper, writer, clamp_mtime, overlay=True).write()


def write_tree(root: Path, writer: Writer, *, clamp_mtime: int | None = None) -> int:
    """Write a plain directory as a layer, as `write_diff` does with an upper one."""
    return _Diff(root, writer, clamp_mtime, overlay=False).write()


class _Child(Struct, frozen=True):
    """A name in the directory at hand, its name in the tar, and its status."""

    name: bytes
    path: bytes
    status: os.stat_result
    is_whiteout: bool


class _Diff:
    """One walk over a tree, with one open directory however deep it is."""

    def __init__(self, root: Path, writer: Writer, clamp: int | None, *, overlay: bool) -> None:
        self._root = root
        self._writer = writer
        self._latest = None if clamp is None else clamp * _SECOND
        self._overlay = overlay
        self._links: dict[tuple[int, int], bytes] = {}
        self._count = 0

    def write(self) -> int:
        self._directory = os.open(self._root, _FLAGS | os.O_DIRECTORY)
        try:
            self._walk()
        finally:
            os.close(self._directory)
        self._writer.write(END)
        return self._count

    def _walk(self) -> None:
        # None stands for the way back up.
        pending: list[_Child | None] = self._children(b"")
        while pending:
            child = pending.pop()
            if child is None:
                self._enter(os.open("..", _FLAGS | os.O_DIRECTORY, dir_fd=self._directory))
            elif stat.S_ISDIR(child.status.st_mode):
                self._write_directory(child)
                pending.append(None)
                pending += self._children(child.path)
            else:
                self._write_leaf(child)

    def _enter(self, directory: int) -> None:
        os.close(self._directory)
        self._directory = directory

    def _children(self, parent: bytes) -> list[_Child | None]:
        """The directory at hand, last first: whiteouts before everything else, then by name."""
        with os.scandir(self._directory) as found:
            children = [self._child(parent, entry) for entry in found]
        kept = [child for child in children if not stat.S_ISSOCK(child.status.st_mode)]
        kept.sort(key=lambda child: (not child.is_whiteout, child.path), reverse=True)
        return [*kept]

    def _child(self, parent: bytes, entry: os.DirEntry[str]) -> _Child:
        name = os.fsencode(entry.name)
        if name.startswith(WHITEOUT_PREFIX):
            raise layer_error(
                f"{printable(parent + name)} cannot be part of a layer",
                "names that begin with .wh. say in a layer that a file was removed",
            )
        status = entry.stat(follow_symlinks=False)
        path = parent + name + (b"/" if stat.S_ISDIR(status.st_mode) else b"")
        is_device = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
        return _Child(name, path, status, self._overlay and is_device)

    def _write_directory(self, child: _Child) -> None:
        directory = os.open(child.name, _FLAGS | os.O_DIRECTORY, dir_fd=self._directory)
        self._enter(directory)
        names = os.listxattr(directory)
        self._put(replace(self._entry(child), attributes=_attributes(child, directory, names)))
        if self._overlay and any(
            name in _OPAQUE and os.getxattr(directory, name) == b"y" for name in names
        ):
            self._put(_marker(child.path + OPAQUE_MARKER))

    def _write_leaf(self, child: _Child) -> None:
        if child.is_whiteout:
            parent = child.path.removesuffix(child.name)
            self._put(_marker(parent + WHITEOUT_PREFIX + child.name))
            return
        entry = self._entry(child)
        if child.status.st_nlink > 1:
            first = self._links.setdefault((child.status.st_dev, child.status.st_ino), child.path)
            if first != child.path:
                self._put(replace(entry, kind=HARDLINK, link=first))
                return
        if entry.kind == FILE:
            self._write_file(child, entry)
        elif entry.kind == SYMLINK:
            self._put(replace(entry, link=os.readlink(child.name, dir_fd=self._directory)))
        elif entry.kind == FIFO:
            self._put(entry)
        else:
            number = child.status.st_rdev
            self._put(replace(entry, device=(os.major(number), os.minor(number))))

    def _write_file(self, child: _Child, entry: Entry) -> None:
        file = os.open(child.name, _FLAGS, dir_fd=self._directory)
        try:
            attributes = _attributes(child, file, os.listxattr(file))
            left = child.status.st_size
            self._put(replace(entry, size=left, attributes=attributes))
            while left:
                chunk = os.read(file, min(left, _CHUNK))
                if not chunk:
                    raise layer_error(
                        f"{printable(child.path)} shrank while it was read",
                        "something still writes to the tree",
                    )
                self._writer.write(chunk)
                left -= len(chunk)
            self._writer.write(padding(child.status.st_size))
        finally:
            os.close(file)

    def _entry(self, child: _Child) -> Entry:
        status = child.status
        return Entry(
            name=child.path,
            kind=_KINDS[stat.S_IFMT(status.st_mode)],
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            mtime=self._time(status),
        )

    def _time(self, status: os.stat_result) -> int:
        return status.st_mtime_ns if self._latest is None else min(status.st_mtime_ns, self._latest)

    def _put(self, entry: Entry) -> None:
        self._writer.write(encode(entry))
        self._count += 1


def _marker(name: bytes) -> Entry:
    """A whiteout: it has no owner and no time, only a name that means something."""
    return Entry(name=name, kind=FILE)


def _attributes(child: _Child, file: int, names: list[str]) -> dict[str, bytes]:
    """The extended attributes that travel; raises LayerError if overlayfs moved content."""
    if not _ELSEWHERE.isdisjoint(names):
        raise layer_error(
            f"{printable(child.path)} is not whole in the overlay's upper directory",
            "the overlay was mounted with redirect_dir or metacopy",
        )
    return {name: os.getxattr(file, name) for name in names if travels(name)}
