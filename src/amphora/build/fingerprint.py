"""What of a file makes it another file to a build: the content of cache keys.

Each file is read once in a build, however many steps and platforms copy it. Which file it
is, and that it did not change meanwhile, is told by its inode and its times: of a file
that is written to, the kernel changes at least ctime (inode(7)).
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import TypeAlias

_Identity: TypeAlias = tuple[int, int, int, int, int]


class FileHashes:
    """The digests of the files that were read so far; shared by threads."""

    def __init__(self) -> None:
        self._known: dict[_Identity, Future[bytes]] = {}
        self._lock = Lock()

    def of(self, path: Path, status: os.stat_result) -> bytes:
        """The SHA-256 of a regular file; who asks while another reads it waits for that.

        Raises OSError.
        """
        identity = (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        with self._lock:
            known = self._known.get(identity)
            if known is None:
                mine = self._known[identity] = Future[bytes]()
        if known is not None:
            return known.result()
        try:
            with path.open("rb") as file:
                mine.set_result(hashlib.file_digest(file, "sha256").digest())
        except BaseException as error:
            mine.set_exception(error)
            raise
        return mine.result()


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
