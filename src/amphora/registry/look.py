"""What an image in a registry is for, without fetching its layers."""

import hashlib

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.descriptor import CONFIG_TYPES, Descriptor
from amphora.oci.config import ImageConfig
from amphora.oci.model import Index, Manifest
from amphora.registry import failures
from amphora.registry.manifests import fetch, pull_scope
from amphora.registry.session import Ask, Session


class Glance(Struct, frozen=True):
    """`root` is what the name points at; `entries` are its manifests, in the index's order.

    A single manifest is its only entry, with the platform that its config names.
    """

    root: Descriptor
    entries: tuple[Descriptor, ...]


async def glance(session: Session, repository: str, target: str) -> Glance:
    """Read the index or, of a single manifest, the config.

    Raises ManifestError for one that is malformed, and what `manifests.fetch` raises.
    """
    root, content = await fetch(session, repository, target)
    if root.is_index:
        return Glance(root, Index.decode(content).manifests)
    config = Manifest.decode(content).config
    if config.media_type not in CONFIG_TYPES:
        return Glance(root, (root,))
    platform = ImageConfig.decode(await _blob(session, repository, config)).platform
    return Glance(root, (replace(root, platform=platform),))


async def _blob(session: Session, repository: str, descriptor: Descriptor) -> bytes:
    """A small blob, bounded and verified."""
    action = f"read blob {descriptor.digest} of {repository}"
    path = f"/v2/{repository}/blobs/{descriptor.digest}"
    reply = await session.request(
        Ask(action, "GET", path, pull_scope(repository), frozenset({200}))
    )
    digest = descriptor.digest
    if hashlib.new(digest.algorithm, reply.body).hexdigest() != digest.hex:
        raise failures.nonsense(session.domain, action, "it sent something else")
    return reply.body
