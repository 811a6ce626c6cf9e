"""type=inline: which steps the layers of an image are of, said in its config.

Whoever does not know the field has to ignore it, and does.
https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md#properties
"""

from collections.abc import Mapping, Sequence

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.blobs import BlobStore
from amphora.oci.config import InlineStep
from amphora.oci.graph import image_for, variants
from amphora.oci.steps import CacheRecord

Records = Mapping[str, CacheRecord]


def inline_steps(records: Records, diff_ids: Sequence[Digest]) -> tuple[InlineStep, ...]:
    """Those of the records that made these layers, or none: the same bytes on every machine.

    So how long a step took, and where it ran, is not in it.
    """
    places = {diff_id: number for number, diff_id in enumerate(diff_ids)}
    return tuple(
        InlineStep(key, record.created, places[record.diff_id] if record.diff_id else None)
        for key, record in sorted(records.items())
        if record.diff_id is None or record.diff_id in places
    )


def inline_records(blobs: BlobStore, image: Descriptor) -> Records:
    """The steps of all variants of an image, whose layers need not be there.

    Raises ManifestError and DigestMismatchError.
    """
    found: dict[str, CacheRecord] = {}
    for platform in variants(blobs, image):
        found |= _of_variant(blobs, image, platform)
    return found


def _of_variant(blobs: BlobStore, image: Descriptor, platform: Platform) -> Records:
    _, manifest, config = image_for(blobs, image, platform)
    layers = list(zip(manifest.layers, config.diff_ids, strict=False))
    return {
        step.key: _record(step, layers)
        for step in config.inline_steps
        if step.layer is None or 0 <= step.layer < len(layers)
    }


def _record(step: InlineStep, layers: Sequence[tuple[Descriptor, Digest]]) -> CacheRecord:
    layer, diff_id = (None, None) if step.layer is None else layers[step.layer]
    return CacheRecord(layer, diff_id, step.created, "", 0.0)
