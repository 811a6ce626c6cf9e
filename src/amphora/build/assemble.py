"""From finished states to an image: a manifest a platform and, for several, an index."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from amphora.build.caches.inline import Records, inline_steps
from amphora.build.request import Variant
from amphora.build.state import ImageState
from amphora.core.descriptor import Descriptor
from amphora.core.platform import Platform
from amphora.oci.assembly import put_image, put_index
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import children


def assemble(
    blobs: BlobStore,
    platforms: Sequence[Platform],
    states: Sequence[ImageState],
    labels: Mapping[str, str],
    inline: Records | None = None,
    *,
    always_index: bool = False,
) -> tuple[Descriptor, list[Variant]]:
    """Store the image; returns its root descriptor and the variants, in the order given.

    Steps that are `inline` are told of in the configs of the variants whose layers they made.
    The root is an index, or the manifest when there is but one platform and not `always_index`.
    Equal states give equal bytes. Raises DiskFullError.
    """
    variants = [
        _variant(blobs, platform, state, labels, inline or {})
        for platform, state in zip(platforms, states, strict=True)
    ]
    manifests = [variant.manifest for variant in variants]
    single = len(manifests) == 1 and not always_index
    root = manifests[0] if single else put_index(blobs, manifests)
    return root, variants


def _variant(
    blobs: BlobStore,
    platform: Platform,
    state: ImageState,
    labels: Mapping[str, str],
    inline: Records,
) -> Variant:
    """What a stage of another platform made is, by its label, for the platform asked for."""
    steps = inline_steps(inline, state.diff_ids)
    config = replace(state.image_config(), platform=platform, inline_steps=steps)
    if labels:
        merged = {**(config.config.labels or {}), **labels}
        config = replace(config, config=replace(config.config, labels=merged))
    manifest = put_image(blobs, config, [layer.blob for layer in state.layers])
    size = sum(child.size for child in children(blobs, manifest))
    return Variant(platform, manifest, size)
