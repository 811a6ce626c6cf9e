"""What of a file makes it another file to a build: the content of cache keys.

Each file is read once in a build, however many steps and platforms copy it, and files of a
directory on this machine not again before they change. Which file it is, and that it did not
change meanwhile, is told by its inode and its times: of a file that is written to, the kernel
changes at least ctime (inode(7)).
"""

import hashlib
import os
import stat
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import msgspec

from amphora.system.files import replacing

#: Device, inode, size, and the times of the last change of content and of anything.
_Identity: TypeAlias = tuple[int, int, int, int, int]

#: Nanoseconds: no file system has times that are coarser (FAT).
_TICK = 2_000_000_000


class FileHashes:
    """The digests of the files that were read so far; shared by threads.

    With a file to keep them in, those of builds before are known as well.
    """

    def __init__(self, kept_in: Path | None = None) -> None:
        self._known: dict[_Identity, Future[bytes]] = {}
        self._lock = Lock()
        self._kept_in = kept_in
        self._kept = _load(kept_in) if kept_in else {}
        self._to_keep: dict[_Identity, bytes] = {}
        #: Younger files may change once more without another time: clocks tick too slowly.
        self._settled = time.time_ns() - _TICK

    def of(self, path: Path, status: os.stat_result) -> bytes:
        """The SHA-256 of a regular file; who asks while another reads it waits for that.

        Raises OSError.
        """
        identity = _identity(status)
        if (kept := self._kept.get(identity)) is not None:
            self._to_keep[identity] = kept
            return kept
        with self._lock:
            known = self._known.get(identity)
            if known is None:
                mine = self._known[identity] = Future[bytes]()
        if known is not None:
            return known.result()
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
                if max(identity[-2:]) < self._settled and _identity(os.fstat(file.fileno())) == (
                    identity
                ):
                    self._to_keep[identity] = digest
            mine.set_result(digest)
        except BaseException as error:
            mine.set_exception(error)
            raise
        return digest

    def keep(self) -> None:
        """Write what was asked for to the file, if there is one and it says anything else."""
        if self._kept_in is None or self._to_keep.keys() == self._kept.keys():
            return
        rows = [(*identity, digest) for identity, digest in self._to_keep.items()]
        with replacing(self._kept_in) as file:
            file.write(msgspec.msgpack.encode(rows))


def _identity(status: os.stat_result) -> _Identity:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _load(path: Path) -> dict[_Identity, bytes]:
    """Nothing if there is no such file, or it is damaged."""
    try:
        rows = msgspec.msgpack.decode(
            path.read_bytes(), type=list[tuple[int, int, int, int, int, bytes]]
        )
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return {row[:5]: row[5] for row in rows}


def fingerprint(
    name: str,
    path: Path,
    status: os.stat_result,
    attributes: Mapping[str, bytes],
    *,
    hashes: FileHashes,
    owner: bool,
) -> bytes:
    """Name, type, mode, content and extended attributes of a file; with `owner`, that too.

    Raises OSError for one that cannot be read.
    """
    if stat.S_ISREG(status.st_mode):
        content = hashes.of(path, status)
    elif stat.S_ISLNK(status.st_mode):
        content = os.fsencode(path.readlink())
    else:
        content = str(status.st_rdev).encode()
    extra = b"".join(
        b"%s\0%d\0%s" % (os.fsencode(key), len(value), value) for key, value in attributes.items()
    )
    whose = b"%d:%d\0" % (status.st_uid, status.st_gid) if owner else b""
    sizes = b"\0%o\0%d\0%d\0" % (status.st_mode, len(content), len(extra))
    return os.fsencode(name) + sizes + whose + content + extra
