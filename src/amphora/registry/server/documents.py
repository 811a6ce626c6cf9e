"""What the registry must know of a manifest before it takes it, and of one it lists."""

import hashlib

import msgspec
from msgspec import Struct

from amphora.core.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError, ManifestError
from amphora.oci.model import Index, Manifest
from amphora.registry.server.refusals import Refusal


class _Named(Struct, frozen=True, rename="camel"):
    media_type: str = ""
    digest: str = ""


class _Outline(Struct, frozen=True, rename="camel"):
    """The fields that indexes and manifests share; `config` tells an artifact's old-style type."""

    media_type: str = ""
    artifact_type: str = ""
    subject: _Named | None = None
    config: _Named | None = None
    annotations: dict[str, str] | None = None


class Document(Struct, frozen=True):
    """A manifest or index that was found in order: what it needs, and what it is about."""

    digest: Digest
    media_type: str
    needed: frozenset[Digest]
    subject: Digest | None


def inspect(content: bytes, media_type: str, digest: Digest | None) -> Document:
    """Check a pushed manifest; refuses with MANIFEST_INVALID or DIGEST_INVALID."""
    algorithm = digest.algorithm if digest else "sha256"
    actual = Digest(algorithm, hashlib.new(algorithm, content).hexdigest())
    if digest is not None and actual != digest:
        raise Refusal(400, "DIGEST_INVALID", f"the content is {actual}, not {digest}")
    if media_type not in INDEX_TYPES | MANIFEST_TYPES:
        message = f"manifests of type {media_type[:100]!r} are not taken"
        raise Refusal(400, "MANIFEST_INVALID", message)
    try:
        outline = msgspec.json.decode(content, type=_Outline)
        subject = Digest.parse(outline.subject.digest) if outline.subject else None
        needed = _needed(content, media_type)
    except (msgspec.MsgspecError, UnicodeDecodeError, ManifestError, InvalidValueError) as error:
        raise Refusal(400, "MANIFEST_INVALID", str(error)) from error
    if outline.media_type not in {"", media_type}:
        message = f"it calls itself {outline.media_type[:100]!r}, its Content-Type {media_type}"
        raise Refusal(400, "MANIFEST_INVALID", message)
    return Document(actual, media_type, needed, subject)


def describe(content: bytes, media_type: str, digest: Digest) -> Descriptor:
    """The descriptor by which a referrer is listed: with artifact type and annotations.

    https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-referrers
    """
    outline = msgspec.json.decode(content, type=_Outline)
    config_type = outline.config.media_type if outline.config else ""
    artifact_type = outline.artifact_type or config_type or None
    return Descriptor(
        media_type,
        digest,
        len(content),
        annotations=outline.annotations or {},
        artifact_type=artifact_type,
    )


def _needed(content: bytes, media_type: str) -> frozenset[Digest]:
    if media_type in INDEX_TYPES:
        return frozenset(child.digest for child in Index.decode(content).manifests)
    manifest = Manifest.decode(content)
    return frozenset(part.digest for part in (manifest.config, *manifest.layers))
