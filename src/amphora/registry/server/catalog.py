"""Which repository holds what: blobs, manifests with their media types, and tags.

A SQLite file in WAL mode with synchronous=FULL: what was committed is on disk. Every
transaction has a connection of its own, so nothing is shared between threads.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from amphora.core.digest import Digest
from amphora.core.errors import DiskFullError, StoreError

#: How long a transaction waits for another process that writes.
BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs (
    repository TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository, digest)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blobs_by_digest ON blobs (digest);
CREATE TABLE IF NOT EXISTS manifests (
    repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, subject TEXT,
    PRIMARY KEY (repository, digest)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS manifests_by_digest ON manifests (digest);
CREATE INDEX IF NOT EXISTS manifests_by_subject ON manifests (repository, subject);
CREATE TABLE IF NOT EXISTS tags (
    repository TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository, name)) STRICT, WITHOUT ROWID;
"""


class StoredManifest(Struct, frozen=True):
    """A manifest as it was pushed; its bytes are the blob of that digest."""

    digest: Digest
    media_type: str


class Catalog:
    """Opens transactions on the file `path`, which is created with its schema."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    @contextmanager
    def reading(self) -> Iterator["Transaction"]:
        """A consistent view; raises StoreError."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield Transaction(connection)

    @contextmanager
    def writing(self) -> Iterator["Transaction"]:
        """Exclude other writers; all is done at the end, or nothing when the body raises.

        Raises StoreError and DiskFullError.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield Transaction(connection)
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Closing a connection rolls back what was not committed."""
        try:
            with closing(
                sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.Error as error:
            full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise (DiskFullError if full else StoreError)(
                f"the registry's catalog {self._path} cannot be used",
                why=str(error),
                next_command=f"see that {self._path.parent} has space and belongs to you",
            ) from error


class Transaction:
    """Questions and changes within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def has_blob(self, repository: str | None, digest: Digest) -> bool:
        """Does a repository, or with None any, hold a blob?"""
        return self._exists(
            "SELECT 1 FROM blobs WHERE digest = ?1 AND (?2 IS NULL OR repository = ?2)",
            str(digest),
            repository,
        )

    def add_blob(self, repository: str, digest: Digest) -> None:
        self._run("INSERT OR IGNORE INTO blobs VALUES (?, ?)", repository, str(digest))

    def remove_blob(self, repository: str, digest: Digest) -> bool:
        """Was it there?"""
        return self._run(
            "DELETE FROM blobs WHERE repository = ? AND digest = ?", repository, str(digest)
        )

    def is_used(self, digest: Digest) -> bool:
        """Does any repository hold these bytes, as a blob or as a manifest?"""
        return self._exists(
            "SELECT 1 FROM blobs WHERE digest = ?1"
            " UNION ALL SELECT 1 FROM manifests WHERE digest = ?1",
            str(digest),
        )

    def manifest(self, repository: str, target: Digest | str) -> StoredManifest | None:
        """A manifest by digest or by tag."""
        by_tag = "(SELECT digest FROM tags WHERE repository = ?1 AND name = ?2)"
        key = "?2" if isinstance(target, Digest) else by_tag
        row = self._connection.execute(
            f"SELECT digest, media_type FROM manifests WHERE repository = ?1 AND digest = {key}",  # noqa: S608
            (repository, str(target)),
        ).fetchone()
        return StoredManifest(Digest.parse(row[0]), row[1]) if row else None

    def add_manifest(
        self, repository: str, manifest: StoredManifest, subject: Digest | None, tag: str | None
    ) -> None:
        """Record a manifest and, in the same breath, the tag that names it."""
        self._run(
            "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)",
            repository,
            str(manifest.digest),
            manifest.media_type,
            str(subject) if subject else None,
        )
        if tag is not None:
            self._run(
                "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
                repository,
                tag,
                str(manifest.digest),
            )

    def remove_manifest(self, repository: str, digest: Digest) -> bool:
        """Remove a manifest and all its tags; was it there?"""
        self._run("DELETE FROM tags WHERE repository = ? AND digest = ?", repository, str(digest))
        return self._run(
            "DELETE FROM manifests WHERE repository = ? AND digest = ?", repository, str(digest)
        )

    def remove_tag(self, repository: str, name: str) -> bool:
        """Was it there?"""
        return self._run("DELETE FROM tags WHERE repository = ? AND name = ?", repository, name)

    def referrers(self, repository: str, subject: Digest) -> list[StoredManifest]:
        """The manifests that name `subject` as what they are about."""
        rows = self._connection.execute(
            "SELECT digest, media_type FROM manifests WHERE repository = ? AND subject = ?"
            " ORDER BY digest",
            (repository, str(subject)),
        )
        return [StoredManifest(Digest.parse(digest), kind) for digest, kind in rows]

    def has_repository(self, repository: str) -> bool:
        return self._exists(
            "SELECT 1 FROM manifests WHERE repository = ?1"
            " UNION ALL SELECT 1 FROM blobs WHERE repository = ?1",
            repository,
        )

    def tags(self, repository: str, after: str, limit: int) -> list[str]:
        """Up to `limit` tags that follow `after`, case folded first, as the specification sorts."""
        return self._names(
            "SELECT name FROM tags WHERE repository = ?3 AND (lower(name), name) > (lower(?1), ?1)"
            " ORDER BY lower(name), name LIMIT ?2",
            after,
            limit,
            repository,
        )

    def repositories(self, after: str, limit: int) -> list[str]:
        """Up to `limit` repositories with a manifest that follow `after`."""
        return self._names(
            "SELECT DISTINCT repository FROM manifests WHERE repository > ?1"
            " ORDER BY repository LIMIT ?2",
            after,
            limit,
        )

    def _names(self, query: str, *values: str | int) -> list[str]:
        return [name for (name,) in self._connection.execute(query, values)]

    def _exists(self, query: str, *values: str | None) -> bool:
        return self._connection.execute(f"{query} LIMIT 1", values).fetchone() is not None

    def _run(self, statement: str, *values: str | None) -> bool:
        """Did the statement change a row?"""
        return self._connection.execute(statement, values).rowcount > 0
