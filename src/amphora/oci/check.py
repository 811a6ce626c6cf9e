"""Checking a store: is every byte what its digest says, and does everything lead somewhere?"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import HEX_LENGTHS, Digest
from amphora.core.errors import DigestMismatchError, ManifestError, StoreError
from amphora.oci import names, steps
from amphora.oci.blobs import BlobStore
from amphora.oci.database import Database
from amphora.oci.graph import pulled_children
from amphora.oci.workspace import abandoned_workspaces


class ProblemKind(StrEnum):
    """The ways in which a store can be wrong."""

    DATABASE = "database"
    CORRUPT = "corrupt"
    MISSING = "missing"
    WRONG_SIZE = "wrong-size"
    MALFORMED = "malformed"
    STALE_INDEX = "stale-index"
    LEFTOVER = "leftover"
    FOREIGN = "foreign"


class Problem(Struct, frozen=True):
    """One thing that is wrong: what kind, with which digest or path, and a sentence about it."""

    kind: ProblemKind
    subject: str
    sentence: str


def problems(root: Path, blobs: BlobStore, database: Database) -> list[Problem]:
    """Read everything in the store; returns what is wrong, in a stable order."""
    found = [*_bad_blobs(blobs), *_foreign_files(blobs)]
    found += [
        Problem(ProblemKind.LEFTOVER, str(path), "a killed process left this behind")
        for path in (*blobs.abandoned(), *abandoned_workspaces(root))
    ]
    try:
        found += _bad_records(root, blobs, database)
    except (StoreError, ManifestError) as error:
        found.append(Problem(ProblemKind.DATABASE, str(database.path), f"{error}"))
    return found


def _bad_records(root: Path, blobs: BlobStore, database: Database) -> Iterator[Problem]:
    """Wrong in the database, in what it leads to, and in the files written from it."""
    for sentence in database.damage():
        yield Problem(ProblemKind.DATABASE, str(database.path), sentence)
    # Writing, so that nobody else is between `index.json` and its commit.
    with database.writing() as connection:
        images = names.listed(connection)
        layers = steps.layers(connection)
        current = names.layout_is_current(connection, root)
        leftovers = names.temporary_files(root)
    if not current:
        yield Problem(
            ProblemKind.STALE_INDEX,
            str(root / names.INDEX_FILE),
            "it does not list the names that the database has",
        )
    for path in leftovers:
        yield Problem(ProblemKind.LEFTOVER, str(path), "a killed process left this file behind")
    seen = set[tuple[str, Digest]]()
    for image in images:
        yield from _bad_image(blobs, image.descriptor, f"image {image.reference.familiar}", seen)
    for key, layer in layers:
        yield from _bad_content(blobs, layer, f"step {key}")


def _bad_image(
    blobs: BlobStore, root: Descriptor, owner: str, seen: set[tuple[str, Digest]]
) -> Iterator[Problem]:
    """Walk an image. Platforms of an index may be absent, all but one; a manifest is complete."""
    stack = [root]
    while stack:
        descriptor = stack.pop()
        if (descriptor.media_type, descriptor.digest) in seen:
            continue
        seen.add((descriptor.media_type, descriptor.digest))
        yield from _bad_content(blobs, descriptor, owner)
        if not blobs.has(descriptor.digest):
            continue
        try:
            stack.extend(reversed(pulled_children(blobs, descriptor)))
        except ManifestError as error:
            yield Problem(ProblemKind.MALFORMED, str(descriptor.digest), f"{owner}: {error.why}")
        except DigestMismatchError:
            continue  # reported among the bad blobs


def _bad_content(blobs: BlobStore, descriptor: Descriptor, owner: str) -> Iterator[Problem]:
    digest = descriptor.digest
    if not blobs.has(digest):
        yield Problem(
            ProblemKind.MISSING,
            str(digest),
            f"{owner} needs this {descriptor.media_type}, which is not in the store",
        )
    elif blobs.size(digest) != descriptor.size:
        yield Problem(
            ProblemKind.WRONG_SIZE,
            str(digest),
            f"{owner} says it has {descriptor.size} bytes, but it has {blobs.size(digest)}",
        )


def _bad_blobs(blobs: BlobStore) -> Iterator[Problem]:
    """Hash every blob, on all cores: hashing and reading release the interpreter."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for digest, actual in pool.map(lambda digest: _hashed(blobs, digest), sorted(blobs)):
            if actual != digest.hex:
                yield Problem(
                    ProblemKind.CORRUPT,
                    str(digest),
                    f"the content of this blob is {digest.algorithm}:{actual}",
                )


def _hashed(blobs: BlobStore, digest: Digest) -> tuple[Digest, str]:
    with blobs.open(digest) as file:
        return digest, hashlib.file_digest(file, digest.algorithm).hexdigest()


def _foreign_files(blobs: BlobStore) -> Iterator[Problem]:
    known = {blobs.path(digest) for digest in blobs}
    for algorithm in HEX_LENGTHS:
        for path in sorted((blobs.root / "blobs" / algorithm).iterdir()):
            if path not in known:
                yield Problem(ProblemKind.FOREIGN, str(path), "this file is not named like a blob")
