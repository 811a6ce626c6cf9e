"""What builds remember: the result of each step by its key, and the diff ID of each layer."""

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.oci.model import decode_descriptor, encode_descriptor


class CacheRecord(Struct, frozen=True):
    """The result of a step: its layer, if it made one, and how it came to be.

    `created` is RFC 3339; `ran` says where it ran (native, emulated, …), `seconds` how long.
    """

    layer: Descriptor | None
    diff_id: Digest | None
    created: str
    ran: str
    seconds: float


def put(connection: sqlite3.Connection, key: str, record: CacheRecord) -> None:
    """Keep the result of a step, in place of what was kept under this key."""
    connection.execute(
        "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?)",
        (
            key,
            encode_descriptor(record.layer) if record.layer else None,
            str(record.diff_id) if record.diff_id else None,
            record.created,
            record.ran,
            record.seconds,
        ),
    )


def get(connection: sqlite3.Connection, key: str) -> CacheRecord | None:
    row = connection.execute(
        "SELECT layer, diff_id, created, ran, seconds FROM steps WHERE key = ?", (key,)
    ).fetchone()
    return _record(*row) if row else None


def listed(connection: sqlite3.Connection) -> dict[str, CacheRecord]:
    """Every record by its key."""
    rows = connection.execute("SELECT key, layer, diff_id, created, ran, seconds FROM steps")
    return {key: _record(*row) for key, *row in rows}


def forget(connection: sqlite3.Connection, keys: Iterable[str]) -> None:
    connection.executemany("DELETE FROM steps WHERE key = ?", ((key,) for key in keys))


def forget_all(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM steps")


def layers(connection: sqlite3.Connection) -> list[tuple[str, Descriptor]]:
    """The key and layer of every record that has a layer."""
    rows = connection.execute("SELECT key, layer FROM steps WHERE layer IS NOT NULL ORDER BY key")
    return [(key, decode_descriptor(layer)) for key, layer in rows]


def put_diff_id(connection: sqlite3.Connection, blob: Digest, diff_id: Digest) -> None:
    connection.execute("INSERT OR REPLACE INTO diff_ids VALUES (?, ?)", (str(blob), str(diff_id)))


def get_diff_id(connection: sqlite3.Connection, blob: Digest) -> Digest | None:
    row = connection.execute("SELECT diff_id FROM diff_ids WHERE blob = ?", (str(blob),)).fetchone()
    return Digest.parse(row[0]) if row else None


def forget_diff_ids(connection: sqlite3.Connection, blobs: set[Digest]) -> None:
    """Drop what is known about blobs that are gone."""
    connection.executemany(
        "DELETE FROM diff_ids WHERE blob = ?", ((str(digest),) for digest in blobs)
    )


def _record(
    layer: str | None, diff_id: str | None, created: str, ran: str, seconds: float
) -> CacheRecord:
    return CacheRecord(
        layer=decode_descriptor(layer) if layer else None,
        diff_id=Digest.parse(diff_id) if diff_id else None,
        created=created,
        ran=ran,
        seconds=seconds,
    )
