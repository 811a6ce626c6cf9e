"""An image in another form: what changes, and what does not."""

import io
import tarfile

import pytest

from amphora.build.assemble import assemble
from amphora.build.export.image import export_image
from amphora.build.export.options import Annotation, ImageOptions
from amphora.build.request import BuildResult
from amphora.build.state import ImageState
from amphora.core.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
)
from amphora.core.errors import DigestMismatchError, InvalidValueError
from amphora.core.platform import Platform
from amphora.oci.config import ImageConfig
from amphora.oci.layers.compression import LayerReader
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.model import Index, Manifest
from amphora.oci.snapshots import Layer
from amphora.oci.store import Store

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
NOW = "2020-01-01T00:00:00Z"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def layer_of(store, text):
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(text))
    with LayerWriter(store.blobs) as writer:
        writer.write(output.getvalue())
        blob = writer.commit()
    return Layer(blob.descriptor, blob.diff_id)


@pytest.fixture
def build(store):
    """A result with a layer of a base image and one of a step for each platform."""

    def make(*platforms):
        states, own = [], set()
        for platform in platforms:
            base, made = layer_of(store, "base"), layer_of(store, f"made for {platform}")
            state = ImageState(platform).with_layer(base, NOW, "base")
            states.append(state.with_layer(made, NOW, "RUN make"))
            own.add(made.blob.digest)
        image, variants = assemble(store.blobs, platforms, states, {})
        return BuildResult(image, variants, (), own)

    return make


def manifests(store, result):
    return [Manifest.decode(store.blobs.read(item.manifest.digest)) for item in result.variants]


def types(manifest):
    return [layer.media_type for layer in manifest.layers]


def test_without_options_it_is_the_very_same(store, build):
    result = build(AMD64, ARM64)
    assert export_image(store, result, ImageOptions()) is result


def test_own_layers_are_compressed_anew_and_those_of_the_base_are_not(store, build):
    result = build(AMD64, ARM64)
    done = export_image(store, result, ImageOptions("zstd"))
    for before, after in zip(manifests(store, result), manifests(store, done), strict=True):
        assert types(after) == [OCI_LAYER_GZIP, OCI_LAYER_ZSTD]
        assert after.layers[0] == before.layers[0]
        assert after.config == before.config
        config = ImageConfig.decode(store.blobs.read(after.config.digest))
        with store.blobs.open(after.layers[1].digest) as file:
            reader, content = LayerReader(file), b""
            while chunk := reader.read(1 << 20):
                content += chunk
        assert config.diff_ids[1].of(content) == config.diff_ids[1]
    index = Index.decode(store.blobs.read(done.image.digest))
    assert [item.platform for item in index.manifests] == [AMD64, ARM64]
    assert done.variants[0].size != result.variants[0].size


def test_force_compression_means_every_layer(store, build):
    done = export_image(store, build(AMD64), ImageOptions("none", force_compression=True))
    [manifest] = manifests(store, done)
    assert types(manifest) == [OCI_LAYER, OCI_LAYER]
    assert done.image == done.variants[0].manifest


def test_a_level_changes_bytes_and_is_remembered(store, build):
    result = build(AMD64)
    [plain] = manifests(store, result)
    [other] = manifests(store, export_image(store, result, ImageOptions("gzip", 0)))
    assert other.layers[1].digest != plain.layers[1].digest
    store.blobs.delete(plain.layers[1].digest)
    [again] = manifests(store, export_image(store, result, ImageOptions("gzip", 0)))
    assert again == other


def test_a_layer_that_is_not_what_its_config_says(store, build):
    result = build(AMD64)
    [plain] = manifests(store, result)
    store.blobs.path(plain.layers[1].digest).write_bytes(b"something else")
    with pytest.raises(DigestMismatchError):
        export_image(store, result, ImageOptions("zstd"))


def test_dockers_own_media_types(store, build):
    done = export_image(store, build(AMD64, ARM64), ImageOptions(docker_types=True))
    assert done.image.media_type == DOCKER_LIST
    for manifest in manifests(store, done):
        assert manifest.media_type == DOCKER_MANIFEST
        assert manifest.config.media_type == DOCKER_CONFIG
        assert types(manifest) == [DOCKER_LAYER_GZIP] * 2
    options = ImageOptions("none", force_compression=True, docker_types=True)
    [manifest] = manifests(store, export_image(store, build(AMD64), options))
    assert types(manifest) == [DOCKER_LAYER] * 2
    with pytest.raises(InvalidValueError, match="zstd"):
        export_image(store, build(AMD64), ImageOptions("zstd", docker_types=True))


def test_each_annotation_is_where_it_was_asked_for(store, build):
    annotations = (
        Annotation("a", "all"),
        Annotation("b", "arm", platform=ARM64),
        Annotation("c", "descriptor", "manifest-descriptor", AMD64),
        Annotation("d", "index", "index"),
        Annotation("e", "outside", "index-descriptor"),
    )
    done = export_image(store, build(AMD64, ARM64), ImageOptions(annotations=annotations))
    first, second = manifests(store, done)
    assert (first.annotations, second.annotations) == ({"a": "all"}, {"a": "all", "b": "arm"})
    index = Index.decode(store.blobs.read(done.image.digest))
    assert index.annotations == {"d": "index"}
    assert [item.annotations for item in index.manifests] == [{"c": "descriptor"}, {}]
    assert done.image.annotations == {"e": "outside"}


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (Annotation("a", "1", "index"), "the index"),
        (Annotation("a", "1", "index-descriptor"), "the index"),
        (Annotation("a", "1", platform=ARM64), "linux/arm64"),
    ],
)
def test_an_annotation_with_no_place_to_be(store, build, annotation, what):
    with pytest.raises(InvalidValueError, match=what):
        export_image(store, build(AMD64), ImageOptions(annotations=(annotation,)))
