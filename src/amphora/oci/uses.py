"""When builds last used what is remembered: which step it was, upon what, and how often.

A build notes all of its steps at once, in its end, and does not wait for the disk. What no
build has noted yet (a store of before, a build that was killed) is as old as its files.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping

from msgspec import Struct

from amphora.core.digest import Digest


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


def note(connection: sqlite3.Connection, uses: Mapping[str, Use]) -> None:
    """Note the steps of a build by their keys, in the order in which they were taken."""
    now = time.time()
    connection.executemany(
        "INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (key) DO UPDATE"
        " SET title = excluded.title, platform = excluded.platform, parent = excluded.parent,"
        " chain = excluded.chain, place = excluded.place, used = excluded.used,"
        " times = times + 1",
        (
            (key, use.title, use.platform, _text(use.parent), _text(use.chain), place, now)
            for place, (key, use) in enumerate(uses.items())
        ),
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
