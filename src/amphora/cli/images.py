"""Images of the store as plain values, for tables and for JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amphora.build.attest.names import PREDICATE_ANNOTATION, REFERENCE_DIGEST, short_name
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.oci.config import ImageConfig
from amphora.oci.graph import UNKNOWN, children, read_document, variants
from amphora.oci.model import Manifest
from amphora.oci.store import Store


def describe(
    store: Store, root: Descriptor, artifacts: Mapping[Digest, Sequence[Descriptor]]
) -> dict[str, Any]:
    """Digest, media type and variants of an image, those that were not pulled included.

    And what of the store's artifacts is attached to it or to a variant. Sizes are in bytes,
    compressed, config and layers together.
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
            *(
                _describe_attached(artifact, artifact.artifact_type, platform, artifact)
                for digest, platform in subjects.items()
                for artifact in artifacts.get(digest, ())
            ),
            *_inside(store, root, subjects),
        ],
    }


def kind_of(attached: dict[str, Any]) -> str:
    """What an entry of `attached` is, in a word: of attestations what they attest."""
    predicate = attached["annotations"].get(PREDICATE_ANNOTATION)
    return short_name(predicate) if predicate else str(attached["type"])


def _inside(
    store: Store, root: Descriptor, subjects: Mapping[Digest, str]
) -> Iterator[dict[str, Any]]:
    """The attestations in the index itself, as BuildKit has them."""
    for entry in children(store.blobs, root) if root.is_index else ():
        subject = entry.annotations.get(REFERENCE_DIGEST)
        platforms = [name for digest, name in subjects.items() if str(digest) == subject]
        if platforms and entry.platform == UNKNOWN and store.blobs.has(entry.digest):
            for layer in Manifest.decode(read_document(store.blobs, entry.digest)).layers:
                yield _describe_attached(entry, layer.media_type, platforms[0], layer)


def _describe_attached(
    artifact: Descriptor, kind: str | None, platform: str, described: Descriptor
) -> dict[str, Any]:
    return {
        "digest": str(artifact.digest),
        "type": kind,
        "platform": platform,
        "annotations": dict(described.annotations),
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
