"""Images in one file for `docker load`: an OCI image layout, and docker's own list beside it.

Docker 25 and newer write both, as we do; older ones read the list and find the blobs by the
paths in it. https://github.com/moby/moby/pull/44598
"""

from collections.abc import Sequence
from typing import BinaryIO

import msgspec
from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference
from amphora.oci.archive import export_archive
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import read_document, variants
from amphora.oci.model import Manifest

#: Where docker looks for the list.
LIST_FILE = "manifest.json"


class _Item(Struct, frozen=True, rename="pascal"):
    """https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format"""

    config: str
    repo_tags: list[str] | None
    layers: list[str]


def export_docker_archive(
    blobs: BlobStore,
    references: Sequence[Reference],
    image: Descriptor,
    output: BinaryIO,
) -> None:
    """Write an image for one platform to `output` under these names.

    Raises InvalidValueError for one for several, which docker's list cannot name, and
    NotFoundError if content is absent.
    """
    more = {LIST_FILE: docker_list(blobs, references, image)}
    names = references or (None,)
    export_archive(blobs, [(name, image) for name in names], output, more=more)


def docker_list(blobs: BlobStore, references: Sequence[Reference], image: Descriptor) -> bytes:
    """The content of `manifest.json`; raises as `export_docker_archive` does."""
    manifests = [image] if image.is_manifest else list(variants(blobs, image).values())
    if len(manifests) != 1:
        raise InvalidValueError(
            f"an image for {len(manifests)} platforms cannot be written for docker",
            why="the list in a docker archive names one variant",
            next_command="give --platform one platform, or use type=oci",
        )
    manifest = Manifest.decode(read_document(blobs, manifests[0].digest))
    item = _Item(
        config=_path(manifest.config.digest),
        repo_tags=[reference.familiar for reference in references] or None,
        layers=[_path(layer.digest) for layer in manifest.layers],
    )
    return msgspec.json.encode([item])


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
