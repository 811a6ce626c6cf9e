"""The JSON of descriptors, indexes and manifests, field by field, as it travels.

Only this room reads and writes these; everything else uses the values in `model`.
"""

from typing import Any

import msgspec
from msgspec import Struct, field

from amphora.core.errors import ManifestError


class Platform(Struct, frozen=True, omit_defaults=True):
    architecture: str
    os: str
    variant: str = ""


class Descriptor(Struct, frozen=True, rename="camel", omit_defaults=True):
    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None


class Index(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    schema_version: int = field(default_factory=lambda: 2)  # so that it is written
    media_type: str | None = None
    manifests: list[Descriptor] | None  # Go writes null where there are none
    annotations: dict[str, str] | None = None


class Manifest(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    schema_version: int = field(default_factory=lambda: 2)
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor
    layers: list[Descriptor] | None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


def decode(content: bytes, kind: type[Any], name: str) -> Any:
    """Parse JSON into `kind`; raises ManifestError that calls it `name`."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(name, str(error)) from error


def malformed(name: str, why: str) -> ManifestError:
    return ManifestError(
        f"the {name} is malformed",
        why=why,
        next_command="ask whoever made the image to build it again",
    )
