"""Images of the store as plain values, for tables and for JSON."""

from typing import Any

from amphora.core.descriptor import Descriptor
from amphora.oci.config import ImageConfig
from amphora.oci.graph import read_document, variants
from amphora.oci.model import Manifest
from amphora.oci.store import Store


def describe(store: Store, root: Descriptor) -> dict[str, Any]:
    """Digest, media type and variants of an image, those that were not pulled included.

    And what is attached to it or to a variant. Sizes are in bytes, compressed, config and
    layers together.
    """
    found = variants(store.blobs, root)
    subjects = {root.digest: "", **{each.digest: str(name) for name, each in found.items()}}
    return {
        "digest": str(root.digest),
        "media_type": root.media_type,
        "variants": [
            {"platform": str(platform), **_describe_variant(store, descriptor)}
            for platform, descriptor in found.items()
        ],
        "attached": [
            {
                "digest": str(artifact.digest),
                "type": artifact.artifact_type,
                "platform": platform,
                "annotations": dict(artifact.annotations),
            }
            for digest, platform in subjects.items()
            for artifact in store.referrers(digest)
        ],
    }


def _describe_variant(store: Store, descriptor: Descriptor) -> dict[str, Any]:
    if not store.blobs.has(descriptor.digest):
        return {"digest": str(descriptor.digest), "present": False, "size": 0}
    manifest = Manifest.decode(read_document(store.blobs, descriptor.digest))
    config = ImageConfig.decode(read_document(store.blobs, manifest.config.digest))
    return {
        "digest": str(descriptor.digest),
        "present": True,
        "size": manifest.config.size + sum(layer.size for layer in manifest.layers),
        "created": config.created,
        "entrypoint": list(config.config.entrypoint or ()),
        "command": list(config.config.cmd or ()),
        "environment": list(config.config.env or ()),
        "labels": config.config.labels or {},
        "layers": [
            {"digest": str(layer.digest), "size": layer.size, "diff_id": str(diff_id)}
            for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=False)
        ],
    }
