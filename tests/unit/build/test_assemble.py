"""From states to manifests and an index."""

import pytest

from amphora.build.assemble import assemble
from amphora.build.state import ImageState
from amphora.core.descriptor import (
    DOCKER_LAYER_GZIP,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ContainerConfig, ImageConfig
from amphora.oci.model import Index, Manifest
from amphora.oci.snapshots import Layer

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path)


def state_on(blobs, platform, media_type=OCI_LAYER_GZIP, **config):
    blob = blobs.put(f"layer for {platform}".encode(), media_type)
    start = ImageState(platform, config=ContainerConfig(**config))
    return start.with_layer(Layer(blob, Digest.of(b"unpacked")), "2020-01-01T00:00:00Z", "COPY a /")


def config_of(blobs, manifest):
    return ImageConfig.decode(
        blobs.read(Manifest.decode(blobs.read(manifest.digest)).config.digest)
    )


def test_several_platforms_make_an_index_in_the_order_asked_for(blobs):
    platforms = [ARM64, AMD64]
    root, variants = assemble(blobs, platforms, [state_on(blobs, p) for p in platforms], {})
    assert root.media_type == OCI_INDEX
    manifests = Index.decode(blobs.read(root.digest)).manifests
    assert [manifest.platform for manifest in manifests] == platforms
    assert list(manifests) == [variant.manifest for variant in variants]
    assert [config_of(blobs, manifest).platform for manifest in manifests] == platforms


def test_one_platform_makes_a_manifest(blobs):
    root, [variant] = assemble(blobs, [ARM64], [state_on(blobs, ARM64)], {})
    assert root.media_type == OCI_MANIFEST
    assert root == variant.manifest
    manifest = Manifest.decode(blobs.read(root.digest))
    assert variant.size == manifest.config.size + sum(layer.size for layer in manifest.layers)


def test_equal_states_give_equal_bytes(tmp_path):
    labels = [{"b": "2", "a": "1"}, {"a": "1", "b": "2"}]
    roots = []
    for number, given in enumerate(labels):
        (tmp_path / str(number)).mkdir()
        other = BlobStore(tmp_path / str(number))
        states = [state_on(other, platform, labels={"c": "3"}) for platform in (AMD64, ARM64)]
        roots.append(assemble(other, [AMD64, ARM64], states, given)[0])
    assert roots[0] == roots[1]


def test_labels_are_added_and_win(blobs):
    state = state_on(blobs, ARM64, labels={"a": "1", "b": "2"})
    root, _ = assemble(blobs, [ARM64], [state], {"b": "9", "c": "3"})
    assert config_of(blobs, root).config.labels == {"a": "1", "b": "9", "c": "3"}


def test_a_stage_made_on_another_platform_is_labelled_for_the_one_asked_for(blobs):
    root, _ = assemble(blobs, [ARM64], [state_on(blobs, AMD64)], {})
    assert root.platform == ARM64
    assert config_of(blobs, root).platform == ARM64


def test_layers_of_dockers_kind_become_oci_layers(blobs):
    state = state_on(blobs, ARM64, media_type=DOCKER_LAYER_GZIP)
    root, _ = assemble(blobs, [ARM64], [state], {})
    [layer] = Manifest.decode(blobs.read(root.digest)).layers
    [before] = state.layers
    assert layer == Descriptor(OCI_LAYER_GZIP, before.blob.digest, before.blob.size)
