"""Images in one file: an OCI image layout as a tar, what skopeo calls `oci-archive`.

Equal images give equal bytes: entries are sorted, and carry no time and no owner.
https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

import io
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference
from amphora.oci import names
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import MAX_DOCUMENT_SIZE, walk
from amphora.oci.members import Member, malformed, members
from amphora.oci.model import Index
from amphora.oci.store import Store
from amphora.system.files import copy_file, replacing

_BLOB = re.compile(r"blobs/(?P<algorithm>[a-z0-9]+)/(?P<hex>[a-f0-9]+)")


class Imported(Struct, frozen=True):
    """An image that came out of an archive, and the full name it had there, if any."""

    reference: Reference | None
    descriptor: Descriptor


def export_archive(
    blobs: BlobStore,
    images: Sequence[tuple[Reference | None, Descriptor]],
    output: BinaryIO,
    *,
    more: Mapping[str, bytes] | None = None,
) -> None:
    """Write images and their names, if they have some, to `output` as a tar, each blob once.

    `more` are small files beside them. Platforms of an index that were not pulled are left
    out; other absent content raises NotFoundError before anything is written.
    """
    content = {
        blobs.path(item.digest) for _, root in images for item in walk(blobs, root, partial=True)
    }
    index = names.index_of(sorted(images, key=lambda image: str(image[0])))
    documents = {names.LAYOUT_FILE: names.LAYOUT, names.INDEX_FILE: index.encode(), **(more or {})}
    for name, document in documents.items():
        _add(output, name, io.BytesIO(document), len(document))
    for path in sorted(content):
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            _add(output, str(path.relative_to(blobs.root)), file, size)
    output.write(bytes(2 * tarfile.BLOCKSIZE))


def save_archive(
    blobs: BlobStore, images: Sequence[tuple[Reference | None, Descriptor]], path: Path
) -> None:
    """`export_archive` to a file, which is whole or not there.

    Raises DiskFullError and NotFoundError.
    """
    with replacing(path) as output:
        export_archive(blobs, images, output)


def import_archive(store: Store, archive: BinaryIO) -> tuple[Imported, ...]:
    """Take the images out of an archive; those with a full name there get it in the store.

    Reads `archive` once, front to back, and trusts nothing in it: only blobs that are what
    their name says and images that are whole are accepted. Raises ManifestError,
    DigestMismatchError, NotFoundError (content is missing) and DiskFullError.
    """
    with store.using():
        index = _store_members(store.blobs, archive)
        imported = tuple(
            Imported(names.name_of(entry), names.without_name(entry)) for entry in index.manifests
        )
        for image in imported:
            for _ in walk(store.blobs, image.descriptor, partial=True):
                pass
        for image in imported:
            if image.reference is not None:
                store.tag(image.reference, image.descriptor)
    return imported


def _add(output: BinaryIO, name: str, content: BinaryIO, size: int) -> None:
    """One file; tarfile would write it in pieces of 10 kB."""
    member = tarfile.TarInfo(name)
    member.size = size
    output.write(member.tobuf(tarfile.PAX_FORMAT))
    copy_file(content, output)
    output.write(bytes(-size % tarfile.BLOCKSIZE))


def _store_members(blobs: BlobStore, archive: BinaryIO) -> Index:
    """Store every blob of the archive, and return its `index.json`."""
    index: Index | None = None
    for member in members(archive):
        blob = _BLOB.fullmatch(member.name)
        if blob is not None:
            _store_blob(blobs, _digest(blob["algorithm"], blob["hex"]), member)
        elif member.name == names.INDEX_FILE:
            index = Index.decode(member.read(MAX_DOCUMENT_SIZE))
    if index is None:
        raise malformed(f"it has no {names.INDEX_FILE}, so it is not an OCI image layout")
    return index


def _digest(algorithm: str, hex_digits: str) -> Digest:
    try:
        return Digest.parse(f"{algorithm}:{hex_digits}")
    except InvalidValueError as error:
        raise malformed(str(error)) from error


def _store_blob(blobs: BlobStore, digest: Digest, member: Member) -> None:
    if blobs.has(digest):
        return
    with blobs.writer(digest.algorithm) as writer:
        for chunk in member.content:
            writer.write(chunk)
        writer.commit(expected=digest)
