"""Files that are whole or not there: durable writes, locks, and disk-full made plain.

The locks are open file description locks (fcntl(2)): they belong to whoever has the file open,
as those of flock(2) do, but can be asked about without being taken.
"""

import errno
import fcntl
import io
import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from amphora.core.errors import DiskFullError, InvalidValueError
from amphora.system.usage import free_space

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)
#: A file system with less than this left is full, for all practical purposes.
_NO_SPACE_BYTES = 64 << 10

_PIECE = 1 << 20
#: What sendfile(2) takes in one call.
_MOST_AT_ONCE = 0x7FFFF000

#: struct flock of a 64-bit Linux, for a whole file; fcntl(2).
_FLOCK = struct.Struct("@hhqqi4x")


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn ENOSPC and EDQUOT, raised while writing below `path`, into DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise disk_full(path) from error


@contextmanager
def explain_refusal_to_write(path: Path) -> Iterator[None]:
    """Turn what the system says to a place that cannot be written to into InvalidValueError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise InvalidValueError(
            f"cannot write to {path}",
            why=f"{os.strerror(error.errno).lower()}: {error.filename}",
            next_command="name another place, or one that you may write to",
        ) from error


def disk_full(path: Path) -> DiskFullError:
    """The error for a file system, that of `path`, with no space left."""
    return DiskFullError(
        f"cannot write below {path}",
        why=os.strerror(errno.ENOSPC).lower(),
        next_command="free some space (`amphora builder prune` helps) and run it again",
    )


def is_disk_full(path: Path) -> bool:
    """Has the file system of `path` no space left? For programs that do not say why they failed."""
    return free_space(path) < _NO_SPACE_BYTES


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (fsync of the directory)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file so that a reader, or a crash, sees the old or the new content, whole.

    Raises DiskFullError; nothing is left behind on failure.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with explain_full_disk(path.parent):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.rename(path)
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` in the end, or vanishes.

    Its name is always the same, so that what a killed process left is used up by the next.
    It is somebody's output, who may copy it elsewhere at once: the disk is not waited for.
    """
    partial = path.with_name(f".{path.name}.partial")
    with explain_full_disk(path.parent), _open_alone(partial) as file:
        try:
            file.truncate(0)
            yield file
            file.flush()
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _open_alone(path: Path) -> BinaryIO:
    """Waits for whoever writes this file now."""
    return os.fdopen(_open_locked(path, os.O_WRONLY, 0o666, fcntl.F_WRLCK, wait=True), "wb")


def copy_file(source: BinaryIO, output: BinaryIO) -> None:
    """Write the rest of one file to another: in the kernel, where both are files of its own."""
    try:
        ours, theirs = source.fileno(), output.fileno()
    except io.UnsupportedOperation:
        shutil.copyfileobj(source, output, _PIECE)
        return
    output.flush()
    position = source.tell()  # what was read of it may be more
    try:
        while copied := os.sendfile(theirs, ours, position, _MOST_AT_ONCE):
            position += copied
    except OSError as error:
        # A file that is appended to, for one.
        if error.errno != errno.EINVAL:
            raise
        source.seek(position)
        shutil.copyfileobj(source, output, _PIECE)


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold an advisory lock on a file, which is created if it is missing.

    The kernel drops the lock when the process dies, however it dies. Who holds it may remove
    the file: those that waited for it lock the next one of that name. With `wait=False`,
    raises BlockingIOError when somebody else holds it.
    """
    descriptor = _open_locked(path, os.O_RDWR, 0o644, _kind(shared=shared), wait=wait)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_shared(descriptor: int) -> Iterator[None]:
    """Hold the lock of an open file that nobody removes: quicker than `locked`, for a moment."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _whole(fcntl.F_RDLCK))
    try:
        yield
    finally:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole(fcntl.F_UNLCK))


def is_locked(path: Path, *, shared: bool = False) -> bool:
    """Would `locked` have to wait? Tells without a lock that could keep others out meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole(_kind(shared=shared)))
    finally:
        os.close(descriptor)
    return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)


def wait_for_release(file: IO[str]) -> None:
    """Wait until nobody holds a file alone, whether it has its name still or not."""
    fcntl.fcntl(file, fcntl.F_OFD_SETLKW, _whole(fcntl.F_RDLCK))


def _open_locked(path: Path, flags: int, mode: int, kind: int, *, wait: bool) -> int:
    """Open and lock the file of this name, which another may be when the lock is got."""
    command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    while True:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            fcntl.fcntl(descriptor, command, _whole(kind))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed, or given another name, while we waited


def _kind(*, shared: bool) -> int:
    return fcntl.F_RDLCK if shared else fcntl.F_WRLCK


def _whole(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)
