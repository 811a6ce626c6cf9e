"""Indexes and manifests as values, and their JSON.

Reading is strict where a wrong value would hurt (digests, sizes, types) and
ignores fields it does not know: whoever needs the very bytes a digest was
computed from keeps those bytes. Writing is canonical: equal values give equal bytes.
https://github.com/opencontainers/image-spec/tree/v1.1.0
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from amphora.core.descriptor import (
    CONFIG_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.oci import wire


class Index(Struct, frozen=True):
    """An image index (manifest list): one descriptor for every variant."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    media_type: str = OCI_INDEX

    @classmethod
    def decode(cls, content: bytes) -> "Index":
        """Read an OCI index or a docker manifest list; raises ManifestError."""
        raw = wire.decode(content, wire.Index, "index")
        media_type = raw.media_type or OCI_INDEX
        _require_type(media_type, INDEX_TYPES, "index")
        manifests = tuple(to_descriptor(item) for item in raw.manifests or ())
        return cls(manifests, raw.annotations or {}, media_type)

    def encode(self) -> bytes:
        return msgspec.json.encode(
            wire.Index(
                media_type=self.media_type,
                manifests=[from_descriptor(item) for item in self.manifests],
                annotations=_sorted(self.annotations),
            )
        )


class Manifest(Struct, frozen=True):
    """The manifest of one variant: its config and its layers, bottom first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None
    artifact_type: str | None = None
    media_type: str = OCI_MANIFEST

    @classmethod
    def decode(cls, content: bytes) -> "Manifest":
        """Read an OCI or docker (schema 2) manifest; raises ManifestError."""
        raw = wire.decode(content, wire.Manifest, "manifest")
        media_type = raw.media_type or OCI_MANIFEST
        _require_type(media_type, MANIFEST_TYPES, "manifest")
        return cls(
            config=to_descriptor(raw.config),
            layers=tuple(to_descriptor(item) for item in raw.layers or ()),
            annotations=raw.annotations or {},
            subject=to_descriptor(raw.subject) if raw.subject else None,
            artifact_type=raw.artifact_type,
            media_type=media_type,
        )

    def encode(self) -> bytes:
        return msgspec.json.encode(
            wire.Manifest(
                media_type=self.media_type,
                artifact_type=self.artifact_type,
                config=from_descriptor(self.config),
                layers=[from_descriptor(item) for item in self.layers],
                subject=from_descriptor(self.subject) if self.subject else None,
                annotations=_sorted(self.annotations),
            )
        )

    @property
    def is_image(self) -> bool:
        """True for something to run; false for an artifact that only has the form of an image."""
        return self.config.media_type in CONFIG_TYPES


def to_descriptor(raw: wire.Descriptor) -> Descriptor:
    """From JSON form; raises ManifestError for a bad digest or a negative size."""
    try:
        digest = Digest.parse(raw.digest)
    except InvalidValueError as error:
        raise wire.malformed("descriptor", str(error)) from error
    if raw.size < 0:
        raise wire.malformed("descriptor", f"size {raw.size} is negative")
    platform = None
    if raw.platform is not None:
        platform = Platform.normalise(
            raw.platform.os, raw.platform.architecture, raw.platform.variant
        )
    return Descriptor(
        raw.media_type, digest, raw.size, platform, raw.annotations or {}, raw.artifact_type
    )


def from_descriptor(descriptor: Descriptor) -> wire.Descriptor:
    """To JSON form."""
    platform = descriptor.platform
    return wire.Descriptor(
        media_type=descriptor.media_type,
        digest=str(descriptor.digest),
        size=descriptor.size,
        platform=wire.Platform(platform.architecture, platform.os, platform.variant)
        if platform
        else None,
        annotations=_sorted(descriptor.annotations),
        artifact_type=descriptor.artifact_type,
    )


def encode_descriptor(descriptor: Descriptor) -> str:
    """One descriptor as canonical JSON, for a record that holds it."""
    return msgspec.json.encode(from_descriptor(descriptor)).decode()


def decode_descriptor(text: str) -> Descriptor:
    """The inverse of `encode_descriptor`; raises ManifestError."""
    return to_descriptor(wire.decode(text.encode(), wire.Descriptor, "descriptor"))


def _sorted(annotations: Mapping[str, str]) -> dict[str, str] | None:
    return dict(sorted(annotations.items())) or None


def _require_type(media_type: str, allowed: frozenset[str], name: str) -> None:
    if media_type not in allowed:
        raise wire.malformed(name, f"its media type is {media_type[:100]!r}")
