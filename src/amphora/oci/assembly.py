"""Making images: a config and layers become a manifest, manifests become an index."""

from collections.abc import Sequence

from msgspec.structs import replace

from amphora.core.descriptor import (
    DOCKER_LAYER_GZIP,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.layers.estargz import TOC_DIGEST, UNCOMPRESSED_SIZE
from amphora.oci.model import Index, Manifest

#: Annotations that tell of a layer's bytes, and are true in whatever image it is.
_OF_BYTES = frozenset({TOC_DIGEST, UNCOMPRESSED_SIZE})


def put_image(blobs: BlobStore, config: ImageConfig, layers: Sequence[Descriptor]) -> Descriptor:
    """Store the config and manifest of one variant, whose layers are stored already.

    Returns the manifest's descriptor, with its platform. Raises DiskFullError.
    """
    stored = blobs.put(config.encode(), OCI_CONFIG)
    manifest = Manifest(stored, tuple(map(_plain, layers)))
    return replace(blobs.put(manifest.encode(), OCI_MANIFEST), platform=config.platform)


def put_index(blobs: BlobStore, manifests: Sequence[Descriptor]) -> Descriptor:
    """Store the index of these variants, in this order; raises DiskFullError."""
    return blobs.put(Index(tuple(manifests)).encode(), OCI_INDEX)


def _plain(layer: Descriptor) -> Descriptor:
    """A layer as an OCI manifest names it, whichever image it came from."""
    media_type = OCI_LAYER_GZIP if layer.media_type == DOCKER_LAYER_GZIP else layer.media_type
    kept = {name: text for name, text in layer.annotations.items() if name in _OF_BYTES}
    return Descriptor(media_type, layer.digest, layer.size, annotations=kept)
