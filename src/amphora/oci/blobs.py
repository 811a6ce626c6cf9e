"""Content-addressed blobs: the `blobs/` half of an OCI image layout.

Nothing is ever visible under its digest before it is whole, verified and on disk:
a writer fills a file under `ingest/`, which is synced and renamed on commit. It holds a
lock (flock) on that file, so that `sweep` can tell what a killed process left behind.
https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from amphora.core.descriptor import Descriptor
from amphora.core.digest import HEX_LENGTHS, Digest
from amphora.core.errors import DigestMismatchError, NotFoundError
from amphora.oci.claims import Claims
from amphora.system.files import explain_full_disk, sync_directory


class BlobStore:
    """Blobs under `root/blobs/<algorithm>/<hex>`; safe for many processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ingest = root / "ingest"
        #: What is looked at is claimed, while somebody holds the claims.
        self.claims = Claims(root)
        for algorithm in HEX_LENGTHS:
            (root / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
        self.ingest.mkdir(exist_ok=True)

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self.root / "blobs" / digest.algorithm / digest.hex

    def has(self, digest: Digest) -> bool:
        self.claims.claim([str(digest)])
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Bytes; raises NotFoundError."""
        self.claims.claim([str(digest)])
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            raise _missing(digest) from None

    def open(self, digest: Digest) -> BufferedReader:
        """Open a blob for reading, its content not verified; raises NotFoundError."""
        self.claims.claim([str(digest)])
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError:
            raise _missing(digest) from None

    def read(self, digest: Digest) -> bytes:
        """A small blob (manifest, config), verified; raises NotFoundError, DigestMismatchError."""
        with self.open(digest) as file:
            content = file.read()
        actual = hashlib.new(digest.algorithm, content).hexdigest()
        if actual != digest.hex:
            raise _mismatch(str(digest), f"{digest.algorithm}:{actual}")
        return content

    def put(self, content: bytes, media_type: str) -> Descriptor:
        """Store a small blob and return its descriptor; one that is there is left as it is."""
        digest = Digest.of(content)
        self.claims.claim([str(digest)])
        try:
            there = self.path(digest).read_bytes()
        except FileNotFoundError:
            there = None
        if there != content:
            with self.writer() as writer:
                writer.write(content)
                writer.commit()
        return Descriptor(media_type, digest, len(content))

    def writer(self, algorithm: str = "sha256") -> "BlobWriter":
        """A writer for new content, to be used in a `with` statement."""
        return BlobWriter(self, algorithm)

    def delete(self, digest: Digest) -> None:
        self.path(digest).unlink(missing_ok=True)

    def abandoned(self) -> Iterator[Path]:
        """Files that killed writers left under `ingest/`, each locked while it is yielded."""
        for path in sorted(self.ingest.iterdir()):
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists():
                    yield path

    def sweep(self) -> int:
        """Remove the files of killed writers, safe while others write; returns bytes freed."""
        freed = 0
        for path in self.abandoned():
            freed += path.stat().st_size
            path.unlink()
        return freed

    def __iter__(self) -> Iterator[Digest]:
        """Every blob there is, in no particular order; files not named like one are left out."""
        for algorithm, length in HEX_LENGTHS.items():
            for name in os.listdir(self.root / "blobs" / algorithm):
                if re.fullmatch(rf"[a-f0-9]{{{length}}}", name):
                    yield Digest(algorithm, name)


class BlobWriter:
    """Receives the bytes of one blob; they vanish unless `commit` is called.

    `digest()` and `size` describe what was written so far.
    """

    def __init__(self, store: BlobStore, algorithm: str) -> None:
        self._store = store
        self._hash = hashlib.new(algorithm)
        self.size = 0

    def __enter__(self) -> Self:
        with explain_full_disk(self._store.root):
            self._path, self._file = _create_locked(self._store.ingest)
        return self

    def write(self, chunk: bytes) -> int:
        """Append a chunk; raises DiskFullError."""
        with explain_full_disk(self._store.root):
            self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)
        return len(chunk)

    def digest(self) -> Digest:
        return Digest(self._hash.name, self._hash.hexdigest())

    def commit(self, expected: Digest | None = None, size: int | None = None) -> Digest:
        """Make the blob durable and visible; returns its digest.

        Raises DigestMismatchError if it is not what was expected, and stores nothing then.
        """
        actual = self.digest()
        if expected is not None and actual != expected:
            raise _mismatch(str(expected), str(actual))
        if size is not None and self.size != size:
            raise _mismatch(f"{size} bytes", f"{self.size} bytes")
        self._store.claims.claim([str(actual)])
        final = self._store.path(actual)
        with explain_full_disk(self._store.root):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._path.rename(final)
            sync_directory(final.parent)
        return actual

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A full disk shows itself again when the buffer is flushed on close; the first
        # error is the one to report, and the file goes either way.
        try:
            self._file.close()
        except OSError:
            if kind is None:
                raise
        finally:
            self._path.unlink(missing_ok=True)


def _create_locked(ingest: Path) -> tuple[Path, BinaryIO]:
    """A new file that `sweep` leaves alone for as long as it is open."""
    while True:
        path = ingest / secrets.token_hex(16)
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # a sweep took it for abandoned before it was locked


def _missing(digest: Digest) -> NotFoundError:
    return NotFoundError(
        f"blob {digest} is not in the store",
        why="it was never stored, or it was collected since",
        next_command="run `amphora store check`, then pull or build the image again",
    )


def _mismatch(expected: str, actual: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"expected {expected} but got {actual}",
        why="the content was truncated or altered on its way or on disk",
        next_command="try again; if it persists run `amphora store check`",
    )
