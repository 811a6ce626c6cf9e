"""What caches keep of a step: a record as JSON and, where the step made one, its layer.

In a registry or a directory both are an artifact; in a bucket, two objects.
https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage
"""

import msgspec
from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.oci import wire
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import read_document
from amphora.oci.model import Manifest, from_descriptor, to_descriptor
from amphora.oci.steps import CacheRecord

#: Larger than any record of ours; a stranger's is not read on.
MAX_RECORD = 64 << 10

_ARTIFACT = "application/vnd.amphora.step.v1"
_RECORD = "application/vnd.amphora.step.v1+json"


class _Record(Struct, frozen=True, omit_defaults=True):
    """A CacheRecord; an artifact's manifest names the layer in place of `layer`."""

    created: str
    ran: str
    seconds: float
    diff_id: str | None = None
    layer: wire.Descriptor | None = None


def encode_record(record: CacheRecord, *, with_layer: bool = True) -> bytes:
    layer = from_descriptor(record.layer) if record.layer and with_layer else None
    diff_id = str(record.diff_id) if record.diff_id else None
    return msgspec.json.encode(_Record(record.created, record.ran, record.seconds, diff_id, layer))


def decode_record(content: bytes, layer: Descriptor | None = None) -> CacheRecord:
    """The inverse; `layer` is what a manifest says. Raises ManifestError for what is none."""
    raw: _Record = wire.decode(content, _Record, "record of a step")
    if raw.layer is not None:
        layer = to_descriptor(raw.layer)
    if (layer is None) is not (raw.diff_id is None):
        raise wire.malformed("record of a step", "it has but one of layer and diff_id")
    return CacheRecord(layer, _digest(raw.diff_id), raw.created, raw.ran, raw.seconds)


def put_artifact(blobs: BlobStore, record: CacheRecord) -> Descriptor:
    """Store the record as an artifact whose layer is stored already; raises DiskFullError."""
    config = blobs.put(encode_record(record, with_layer=False), _RECORD)
    layers = (record.layer,) if record.layer else ()
    manifest = Manifest(config, layers, artifact_type=_ARTIFACT)
    return blobs.put(manifest.encode(), manifest.media_type)


def read_artifact(blobs: BlobStore, artifact: Descriptor) -> CacheRecord:
    """Raises ManifestError for an artifact that is none of ours."""
    manifest = Manifest.decode(read_document(blobs, artifact.digest))
    content = read_document(blobs, manifest.config.digest)
    return decode_record(content, manifest.layers[0] if manifest.layers else None)


def _digest(text: str | None) -> Digest | None:
    try:
        return Digest.parse(text) if text else None
    except InvalidValueError as error:
        raise wire.malformed("record of a step", str(error)) from error
