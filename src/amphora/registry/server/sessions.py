"""Upload sessions: files that grow until a digest is named; they survive a restart.

A session's file name binds it to its repository, so nothing about it is kept elsewhere.
"""

import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from amphora.core.digest import Digest
from amphora.registry.server.refusals import Refusal
from amphora.system.files import explain_full_disk

#: Seconds after which a session that nobody touched is given up.
STALE_AFTER = 24 * 60 * 60

_IDENTIFIER = re.compile(r"[0-9a-f]{32}")


class UploadSession(Struct, frozen=True):
    """Bytes on their way to become a blob of `repository`."""

    repository: str
    identifier: str
    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def location(self) -> str:
        return f"/v2/{self.repository}/blobs/uploads/{self.identifier}"

    @contextmanager
    def appending(self) -> Iterator[BinaryIO]:
        """The file, for one writer at a time; what is written stays, whatever comes after.

        Refuses a second writer with BLOB_UPLOAD_INVALID, and raises DiskFullError.
        """
        with explain_full_disk(self.path.parent), self.path.open("ab", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise out_of_order(self, "another request is writing to this upload") from None
            yield file

    def digest(self, algorithm: str) -> Digest:
        """Hash all there is, and make it durable."""
        with self.path.open("rb") as file:
            result = hashlib.file_digest(file, algorithm)
            os.fsync(file.fileno())
        return Digest(algorithm, result.hexdigest())

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)


class UploadSessions:
    """The sessions in one directory; opening it, or a new session, removes the stale ones."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        remove_stale_files(directory)

    def create(self, repository: str) -> UploadSession:
        """A new, empty session; raises DiskFullError."""
        remove_stale_files(self._directory)
        session = self._session(repository, secrets.token_hex(16))
        with explain_full_disk(self._directory):
            session.path.touch(exist_ok=False)
        return session

    def find(self, repository: str, identifier: str) -> UploadSession:
        """A session of that repository; refuses with BLOB_UPLOAD_UNKNOWN."""
        if _IDENTIFIER.fullmatch(identifier):
            session = self._session(repository, identifier)
            if session.path.is_file():
                return session
        raise Refusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload in this repository")

    def _session(self, repository: str, identifier: str) -> UploadSession:
        owner = hashlib.sha256(repository.encode()).hexdigest()[:32]
        return UploadSession(repository, identifier, self._directory / f"{owner}-{identifier}")


def out_of_order(session: UploadSession, message: str) -> Refusal:
    """416: the chunk does not follow what is there, which the headers tell."""
    return Refusal(416, "BLOB_UPLOAD_INVALID", message, progress_headers(session))


def progress_headers(session: UploadSession) -> dict[str, str]:
    """Where to continue. Nothing at all reads `0-0`, as in distribution."""
    return {
        "Location": session.location,
        "Range": f"0-{max(0, session.size - 1)}",
        "Docker-Upload-UUID": session.identifier,
    }


def remove_stale_files(directory: Path) -> None:
    """Remove what was last written to a day ago: nobody comes back for it."""
    oldest = time.time() - STALE_AFTER
    for path in directory.iterdir():
        # Another request may have finished or discarded it just now.
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < oldest:
                path.unlink()
