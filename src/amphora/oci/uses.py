"""When builds last used what is remembered: which step it was, upon what, and how often.

    uses.log    a line for each build, with all of its steps

A build adds its line in its end, which waits for no disk; into the database it goes when
somebody asks, or when there are many lines. What no build has noted (in a store of before, by a
build that was killed) is as old as its files.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from amphora.core.digest import Digest
from amphora.oci.database import Database
from amphora.system.files import explain_full_disk, locked

_LOG = "uses.log"


class Use(Struct, frozen=True):
    """A step that a build needed: its title, and the chain IDs below it and with its layer.

    Both chain IDs are the same for a step that made no layer, and None where there is none.
    """

    title: str
    platform: str
    parent: Digest | None
    chain: Digest | None


class Used(Struct, frozen=True):
    """The last use: when, in seconds since 1970, and as which of its build's steps.

    `times` is how many builds needed it.
    """

    use: Use
    place: int
    used: float
    times: int


class _Line(Struct, frozen=True, array_like=True):
    """When the build was, and its steps: key, title, platform, parent, chain."""

    used: float
    steps: list[tuple[str, str, str, str | None, str | None]]


def note(root: Path, uses: Mapping[str, Use]) -> int:
    """Note the steps of a build by their keys, in the order in which they were taken.

    Returns how many bytes wait for `fold`. Raises DiskFullError.
    """
    steps = [
        (key, use.title, use.platform, _text(use.parent), _text(use.chain))
        for key, use in uses.items()
    ]
    line = msgspec.json.encode(_Line(time.time(), steps))
    path = root / _LOG
    with explain_full_disk(root), locked(path), path.open("ab") as file:
        file.write(line + b"\n")
        return file.tell()


def fold(root: Path, database: Database) -> None:
    """Put into the database what builds have noted since this was called last.

    Killed in the middle it may count builds twice.
    """
    path = root / _LOG
    if not path.exists():
        return
    with locked(path):
        lines = path.read_bytes().splitlines()
        with database.writing() as connection:
            for line in lines:
                _put(connection, line)
        path.unlink()


def _put(connection: sqlite3.Connection, content: bytes) -> None:
    """What was written when the power failed may be no line."""
    with suppress(msgspec.DecodeError):
        line = msgspec.json.decode(content, type=_Line)
        connection.executemany(
            "INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE"
            " SET title = excluded.title, platform = excluded.platform,"
            " parent = excluded.parent, chain = excluded.chain, place = excluded.place,"
            " used = excluded.used, times = times + 1",
            ((*step, place, line.used) for place, step in enumerate(line.steps)),
        )


def listed(connection: sqlite3.Connection) -> dict[str, Used]:
    """Every last use by the key of the step."""
    rows = connection.execute(
        "SELECT key, title, platform, parent, chain, place, used, times FROM uses"
    )
    return {
        key: Used(Use(title, platform, _digest(parent), _digest(chain)), place, used, times)
        for key, title, platform, parent, chain, place, used, times in rows
    }


def chains(connection: sqlite3.Connection) -> set[Digest]:
    """The chain IDs that steps which are remembered came to."""
    rows = connection.execute("SELECT chain FROM uses JOIN steps USING (key) WHERE chain NOT NULL")
    return {Digest.parse(chain) for (chain,) in rows}


def forget_unremembered(connection: sqlite3.Connection) -> None:
    """Drop what is known of steps that are remembered no more."""
    connection.execute("DELETE FROM uses WHERE key NOT IN (SELECT key FROM steps)")


def sizes(connection: sqlite3.Connection) -> dict[str, int]:
    """The bytes of snapshots that were measured, by the hex of their chain IDs."""
    return dict(connection.execute("SELECT chain, size FROM sizes"))


def keep_sizes(connection: sqlite3.Connection, measured: Mapping[str, int]) -> None:
    connection.executemany("INSERT OR REPLACE INTO sizes VALUES (?, ?)", measured.items())


def forget_sizes(connection: sqlite3.Connection, snapshots: Iterable[str]) -> None:
    """Drop what was measured of snapshots that are gone."""
    connection.executemany("DELETE FROM sizes WHERE chain = ?", ((name,) for name in snapshots))


def _text(digest: Digest | None) -> str | None:
    return str(digest) if digest else None


def _digest(text: str | None) -> Digest | None:
    return Digest.parse(text) if text else None
