"""Images in OCI image layouts: directories that any tool may have made, or will read.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, ManifestError, NotFoundError
from amphora.core.reference import Reference
from amphora.oci import names
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import MAX_DOCUMENT_SIZE, children, walk
from amphora.oci.model import Index
from amphora.oci.referrers import reach
from amphora.system.files import (
    explain_full_disk,
    explain_refusal_to_write,
    write_atomically,
)
from amphora.system.roots import find_in_root, read_in_root

_CHUNK = 1 << 20


def import_layout(
    blobs: BlobStore, directory: Path, *, tag: str = "", digest: Digest | None = None
) -> Descriptor:
    """Copy one image of a layout into the store, verified; it gets no name there.

    By digest, by tag, or the only one there is. Platforms that the layout lacks are left out.
    Raises NotFoundError, ManifestError, DigestMismatchError and DiskFullError.
    """
    content = read_in_root(directory, names.INDEX_FILE, MAX_DOCUMENT_SIZE)
    if content is None:
        raise NotFoundError(
            f"{directory} is not an OCI image layout",
            why=f"it has no {names.INDEX_FILE}",
            next_command="name the directory that holds index.json and blobs/",
        )
    root = _choose(directory, Index.decode(content), tag, digest)
    pending = [(root, True)]
    while pending:
        descriptor, required = pending.pop()
        if _copy(blobs, directory, descriptor.digest, required=required):
            below = children(blobs, descriptor)
            pending += [(child, not descriptor.is_index) for child in below]
    return root


def export_layout(
    blobs: BlobStore, images: Sequence[tuple[Reference | None, Descriptor]], directory: Path
) -> None:
    """Put images into a layout, which is made if it is not there.

    Others that it holds stay, except those of the same names and what is attached to them. The
    index comes last, so that it never names what is not whole. Raises ManifestError if there is
    an index that cannot be read, NotFoundError before anything is written, InvalidValueError
    for a place that cannot be written to, and DiskFullError.
    """
    content = {item.digest: None for _, root in images for item in walk(blobs, root, partial=True)}
    with explain_full_disk(directory), explain_refusal_to_write(directory):
        directory.mkdir(parents=True, exist_ok=True)
        content_before = read_in_root(directory, names.INDEX_FILE, MAX_DOCUMENT_SIZE)
        before = Index(()) if content_before is None else Index.decode(content_before)
        index = _with(before, images)
        target = BlobStore(directory)
        for digest in content:
            if not target.has(digest):
                with blobs.open(digest) as file:
                    _store(target, digest, file)
        index = _without_left_behind(target, before, index)
        # What killed writers left goes as well; nobody else needs the directory.
        target.sweep()
        with suppress(OSError):
            target.ingest.rmdir()
        write_atomically(directory / names.LAYOUT_FILE, names.LAYOUT)
        write_atomically(directory / names.INDEX_FILE, index.encode())


def _with(before: Index, images: Sequence[tuple[Reference | None, Descriptor]]) -> Index:
    """The index of a layout with images added; one of the same name, or the same image, goes."""
    added = names.index_of(images).manifests
    wanted = {entry.annotations.get(names.REF_NAME) for entry in added} - {None}
    digests = {entry.digest for entry in added}
    kept = [
        entry
        for entry in before.manifests
        if entry.annotations.get(names.REF_NAME) not in wanted
        and (names.REF_NAME in entry.annotations or entry.digest not in digests)
    ]
    return Index((*kept, *added))


def _without_left_behind(blobs: BlobStore, before: Index, after: Index) -> Index:
    """Without nameless artifacts whose subject was in the layout before, and is not any more.

    Where a damaged layout cannot tell, all stay.
    """
    if all(entry.artifact_type is None for entry in before.manifests):
        return after
    try:
        left = _orphans(blobs, after) - _orphans(blobs, before)
    except (ManifestError, NotFoundError, DigestMismatchError):
        return after
    return Index(
        tuple(
            entry
            for entry in after.manifests
            if names.REF_NAME in entry.annotations or entry.digest not in left
        )
    )


def _orphans(blobs: BlobStore, index: Index) -> set[Digest]:
    """As in a store, where an artifact without a name is called by its digest."""
    images = [
        names.NamedImage(names.name_of(entry) or Reference("", "", None, entry.digest), entry, "")
        for entry in index.manifests
    ]
    return {image.descriptor.digest for image in reach(blobs, images).orphans}


def _choose(directory: Path, index: Index, tag: str, digest: Digest | None) -> Descriptor:
    entries = list(index.manifests)
    if digest is not None:
        entries = [entry for entry in entries if entry.digest == digest]
    elif tag:
        entries = [entry for entry in entries if _has_tag(entry, tag)]
    else:
        # What is attached to an image is none.
        entries = [entry for entry in entries if entry.artifact_type is None]
    if not entries:
        wanted = str(digest) if digest else f"the tag {tag!r}" if tag else "an image"
        tags = sorted(entry.annotations.get(names.REF_NAME, "(none)") for entry in index.manifests)
        raise NotFoundError(
            f"the layout {directory} does not have {wanted}",
            why=f"its tags are {', '.join(tags)}" if tags else "it is empty",
            next_command="choose one with oci-layout://DIRECTORY:TAG",
        )
    if len({entry.digest for entry in entries}) > 1:
        raise NotFoundError(
            f"the layout {directory} has {len(entries)} images",
            why="it is not clear which of them is meant",
            next_command="choose one with oci-layout://DIRECTORY:TAG or @DIGEST",
        )
    return names.without_name(entries[0])


def _has_tag(entry: Descriptor, tag: str) -> bool:
    reference = names.name_of(entry)
    return entry.annotations.get(names.REF_NAME) == tag or (
        reference is not None and reference.tag == tag
    )


def _copy(blobs: BlobStore, directory: Path, digest: Digest, *, required: bool) -> bool:
    """False if the layout does not have it and need not."""
    if blobs.has(digest):
        return True
    path = find_in_root(directory, f"blobs/{digest.algorithm}/{digest.hex}")
    if path is None:
        if not required:
            return False
        raise NotFoundError(
            f"the layout {directory} is not whole",
            why=f"it lacks blob {digest}",
            next_command="make the layout again",
        )
    with path.open("rb") as file:
        _store(blobs, digest, file)
    return True


def _store(blobs: BlobStore, digest: Digest, file: BinaryIO) -> None:
    with blobs.writer(digest.algorithm) as writer:
        while chunk := file.read(_CHUNK):
            writer.write(chunk)
        writer.commit(expected=digest)
