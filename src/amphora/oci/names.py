"""What images are called, and `index.json`, which shows the names to other programs.

The database is the truth. `index.json` is written from it inside the same transaction,
so that writers take turns; it makes the store an OCI image layout that any tool reads,
and it is what names are restored from should the database be lost.
https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.errors import InvalidValueError, ManifestError, StoreError
from amphora.core.reference import Reference
from amphora.oci.model import Index, decode_descriptor, encode_descriptor
from amphora.system.files import write_atomically

LAYOUT_FILE = "oci-layout"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE = "index.json"

#: The annotation that the image layout specifies for a name; ours holds the full reference.
REF_NAME = "org.opencontainers.image.ref.name"
#: Where containerd and docker put the full reference, and look for it first.
IMAGE_NAME = "io.containerd.image.name"


class NamedImage(NamedTuple):
    """A name, what it points at, and since when (RFC 3339, UTC)."""

    reference: Reference
    descriptor: Descriptor
    created: str


def now() -> str:
    """This moment, in RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def put(connection: sqlite3.Connection, reference: Reference, descriptor: Descriptor) -> None:
    """Let a name point at something; its date changes only if what it points at does."""
    connection.execute(
        "INSERT INTO names VALUES (?, ?, ?) ON CONFLICT (reference) DO UPDATE"
        " SET descriptor = excluded.descriptor, created = excluded.created"
        " WHERE descriptor != excluded.descriptor",
        (_key(reference), encode_descriptor(descriptor), now()),
    )


def get(connection: sqlite3.Connection, reference: Reference) -> Descriptor | None:
    row = connection.execute(
        "SELECT descriptor FROM names WHERE reference = ?", (_key(reference),)
    ).fetchone()
    return decode_descriptor(row[0]) if row else None


def remove(connection: sqlite3.Connection, reference: Reference) -> bool:
    """Forget a name; False if there was none."""
    cursor = connection.execute("DELETE FROM names WHERE reference = ?", (_key(reference),))
    return cursor.rowcount > 0


def listed(connection: sqlite3.Connection) -> list[NamedImage]:
    """All names, sorted."""
    rows = connection.execute("SELECT reference, descriptor, created FROM names ORDER BY reference")
    return [
        NamedImage(Reference.parse(name), decode_descriptor(descriptor), created)
        for name, descriptor, created in rows
    ]


def index_of(images: Sequence[tuple[Reference | None, Descriptor]]) -> Index:
    """The index of an image layout: each descriptor with its name, if any, in annotations."""
    return Index(tuple(annotated(reference, descriptor) for reference, descriptor in images))


def name_of(entry: Descriptor) -> Reference | None:
    """The name in the annotations of an entry of `index.json`; None if it has no full one."""
    for text in (entry.annotations.get(IMAGE_NAME), entry.annotations.get(REF_NAME)):
        # A bare word is only a tag, written by a tool that leaves the repository out.
        if text and any(mark in text for mark in "/:@"):
            try:
                return Reference.parse(text)
            except InvalidValueError:
                continue
    return None


def without_name(entry: Descriptor) -> Descriptor:
    """An entry of `index.json` as it was before it was given a name."""
    kept = {k: v for k, v in entry.annotations.items() if k not in {REF_NAME, IMAGE_NAME}}
    return replace(entry, annotations=kept)


def write_layout(connection: sqlite3.Connection, root: Path) -> None:
    """Write `index.json` (and `oci-layout`) in a writing transaction; raises DiskFullError."""
    for leftover in temporary_files(root):
        leftover.unlink()
    if not (root / LAYOUT_FILE).exists():
        write_atomically(root / LAYOUT_FILE, LAYOUT)
    if not layout_is_current(connection, root):
        write_atomically(root / INDEX_FILE, _index_content(connection))


def layout_is_current(connection: sqlite3.Connection, root: Path) -> bool:
    """Does `index.json` say what the database says?"""
    path = root / INDEX_FILE
    return path.exists() and path.read_bytes() == _index_content(connection)


def temporary_files(root: Path) -> list[Path]:
    """What a killed `write_layout` left behind; of a live one only outside a transaction."""
    return sorted(path for name in (INDEX_FILE, LAYOUT_FILE) for path in root.glob(f".{name}.*"))


def restore(connection: sqlite3.Connection, root: Path) -> None:
    """Put the names of an existing `index.json` into a new database; raises StoreError."""
    path = root / INDEX_FILE
    if not path.exists():
        return
    try:
        entries = Index.decode(path.read_bytes()).manifests
    except ManifestError as error:
        raise StoreError(
            f"the names of images cannot be read from {path}",
            why=error.why,
            next_command=f"`rm {path}` to give the names up, then build or pull again",
        ) from error
    for entry in entries:
        reference = name_of(entry)
        if reference is not None:
            put(connection, reference, without_name(entry))


def _key(reference: Reference) -> str:
    """With a digest, the tag only informs."""
    return str(replace(reference, tag=None) if reference.digest else reference)


def _index_content(connection: sqlite3.Connection) -> bytes:
    return index_of([(image.reference, image.descriptor) for image in listed(connection)]).encode()


def annotated(reference: Reference | None, descriptor: Descriptor) -> Descriptor:
    """What an image layout's index says of an image with that name."""
    if reference is None:
        return descriptor
    names = {REF_NAME: str(reference), IMAGE_NAME: str(reference)}
    return replace(descriptor, annotations={**descriptor.annotations, **names})
