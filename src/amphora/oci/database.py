"""The store's SQLite file: names, step cache and layer knowledge, for many processes at once.

Every transaction has a connection of its own. Opening one costs a fraction of a
millisecond, and in return nothing is shared between threads or survives a fork.
The file is in WAL mode with synchronous=FULL: what was committed is on disk, and a
process killed in the middle of a transaction leaves nothing of it behind.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from amphora.core.errors import AmphoraError, DiskFullError, StoreError
from amphora.system.files import is_disk_full, locked

#: How long a transaction waits for others before it gives up.
BUSY_SECONDS = 60.0

#: What each version of the schema added to the one before: a store is brought up to date by
#: what it lacks, and none of it ever changes.
_ADDED = (
    (
        "CREATE TABLE names (reference TEXT PRIMARY KEY, descriptor TEXT NOT NULL,"
        " created TEXT NOT NULL) STRICT",
        "CREATE TABLE steps (key TEXT PRIMARY KEY, layer TEXT, diff_id TEXT,"
        " created TEXT NOT NULL, ran TEXT NOT NULL, seconds REAL NOT NULL) STRICT",
        "CREATE TABLE diff_ids (blob TEXT PRIMARY KEY, diff_id TEXT NOT NULL) STRICT",
    ),
    (
        "CREATE TABLE uses (key TEXT PRIMARY KEY, title TEXT NOT NULL, platform TEXT NOT NULL,"
        " parent TEXT, chain TEXT, place INTEGER NOT NULL, used REAL NOT NULL,"
        " times INTEGER NOT NULL) STRICT",
        "CREATE TABLE sizes (chain TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT",
    ),
)

#: `PRAGMA user_version` of a store that lacks nothing.
SCHEMA_VERSION = len(_ADDED)


class Database:
    """Transactions on `path`, which is created with its schema when it is first used.

    `fill` is called in the transaction that creates it, to put in what is known from elsewhere.
    """

    def __init__(self, path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
        self.path = path
        self._fill = fill

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent view; raises StoreError, DiskFullError."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Exclude other writers; commits at the end, or rolls back when the body raises.

        Raises StoreError, DiskFullError.
        """
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def damage(self) -> tuple[str, ...]:
        """What SQLite's own integrity check finds, in its words; empty when all is well."""
        with self._connection() as connection:
            rows = connection.execute("PRAGMA integrity_check").fetchall()
        return tuple(text for (text,) in rows if text != "ok")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection to the current schema; closing it rolls back what was not committed."""
        try:
            with closing(
                sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                if _version(connection) != SCHEMA_VERSION:
                    self._bring_up_to_date(connection)
                yield connection
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        """Add what the schema lacks, all of it in an empty file, unless another was faster."""
        # SQLite does not wait for others when the journal mode changes, so they wait here.
        with locked(self.path.with_suffix(".lock")):
            version = _version(connection)
            if version == 0:
                connection.execute("PRAGMA journal_mode = WAL")
            if version < SCHEMA_VERSION:
                self._add(connection, version)
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"the store {self.path.parent} was made by a newer amphora",
                why=f"its schema is {version}, and this program knows {SCHEMA_VERSION}",
                next_command="upgrade amphora, or use another directory with --store",
            )

    def _add(self, connection: sqlite3.Connection, version: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for statement in chain.from_iterable(_ADDED[version:]):
            connection.execute(statement)
        if version == 0:
            self._fill(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")

    def _explain(self, error: sqlite3.Error) -> AmphoraError:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code == sqlite3.SQLITE_FULL or self._disk_is_full(code):
            return DiskFullError(
                f"cannot write to {self.path}",
                why="no space left on device",
                next_command="free some space in that file system (`amphora builder prune` helps)"
                " and run it again",
            )
        if code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return StoreError(
                f"the store {self.path.parent} is in use by another amphora",
                why=f"it did not let go of {self.path.name} for {BUSY_SECONDS:.0f} seconds",
                next_command="wait for the other command to finish and run it again",
            )
        return StoreError(
            f"the database {self.path} cannot be used",
            why=str(error),
            next_command=f"if it is damaged: `rm {self.path}*`; names are read back from"
            " index.json, and the step cache starts empty",
        )

    def _disk_is_full(self, code: int) -> bool:
        """SQLite reports a full disk under other names when its shared memory has no room."""
        if code & 0xFF not in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}:
            return False
        return is_disk_full(self.path.parent)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
