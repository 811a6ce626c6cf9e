"""A store on disk, and images made of real (tiny) blobs."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from amphora.core.descriptor import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
)
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.model import Index, Manifest
from amphora.oci.store import Store


@dataclass(frozen=True)
class Made:
    """A manifest with what it consists of."""

    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]


class ImageMaker:
    """Puts images into a blob store; equal arguments make equal images."""

    def __init__(self, blobs: BlobStore) -> None:
        self.blobs = blobs

    def variant(self, platform: str, *layers: str) -> Made:
        """One manifest; its layers are the given texts (no real tars: nobody unpacks them)."""
        contents = [text.encode() for text in layers or (f"layer of {platform}",)]
        made_for = Platform.parse(platform)
        config = self.blobs.put(
            ImageConfig(made_for, diff_ids=tuple(map(Digest.of, contents))).encode(), OCI_CONFIG
        )
        blobs = tuple(self.blobs.put(content, OCI_LAYER) for content in contents)
        manifest = self.blobs.put(Manifest(config, blobs).encode(), OCI_MANIFEST)
        return Made(replace(manifest, platform=made_for), config, blobs)

    def index(self, *manifests: Descriptor) -> Descriptor:
        return self.blobs.put(Index(manifests).encode(), OCI_INDEX)

    def image(self, *platforms: str) -> Descriptor:
        """An index with one variant for each platform."""
        return self.index(*(self.variant(platform).manifest for platform in platforms))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def make(store):
    return ImageMaker(store.blobs)


@pytest.fixture
def make_in():
    """For tests with more than one store."""
    return lambda store: ImageMaker(store.blobs)
