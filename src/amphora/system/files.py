"""Files that are whole or not there: durable writes, locks, and disk-full made plain."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from amphora.core.errors import DiskFullError, InvalidValueError

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSALS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
)
#: A file system with less than this left is full, for all practical purposes.
_NO_SPACE_BYTES = 64 << 10


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
        next_command="free some space (`amphora image rm` helps) and run it again",
    )


def is_disk_full(path: Path) -> bool:
    """Has the file system of `path` no space left? For programs that do not say why they failed."""
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize < _NO_SPACE_BYTES


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
    with explain_full_disk(path.parent), _open_locked(partial) as file:
        try:
            file.truncate(0)
            yield file
            file.flush()
            partial.rename(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _open_locked(path: Path) -> BinaryIO:
    """Open for appending, alone: waits for whoever writes this file now."""
    while True:
        file = path.open("ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # it was given its final name while we waited


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold an advisory lock (flock) on a file, which is created if it is missing.

    The kernel drops the lock when the process dies, however it dies. With
    `wait=False`, raises BlockingIOError when somebody else holds it.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)
