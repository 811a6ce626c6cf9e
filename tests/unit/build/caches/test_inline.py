"""Steps inside the image that they made: what other stores learn from its config."""

import json

import pytest

from amphora.build.assemble import assemble
from amphora.build.caches.inline import inline_records
from amphora.build.state import ImageState
from amphora.core.descriptor import OCI_LAYER_GZIP
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.assembly import put_image
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig, InlineStep
from amphora.oci.graph import image_for
from amphora.oci.snapshots import Layer
from amphora.oci.steps import CacheRecord

PLATFORMS = [Platform.parse("linux/amd64"), Platform.parse("linux/arm64")]


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path)


def layer(blobs, content):
    return Layer(blobs.put(content, OCI_LAYER_GZIP), Digest.of(content))


def record(made, seconds=1.0, ran="native"):
    return CacheRecord(made.blob, made.diff_id, "2026-01-02T03:04:05Z", ran, seconds)


def put(blobs, layers, records, number=1):
    states = [ImageState(platform, tuple(layers)) for platform in PLATFORMS[:number]]
    return assemble(blobs, PLATFORMS[:number], states, {}, records)[0]


def test_what_is_put_in_comes_out(blobs):
    base, one, two = (layer(blobs, name) for name in (b"base", b"one", b"two"))
    empty = CacheRecord(None, None, "2026-01-02T03:04:05Z", "native", 3.0)
    image = put(blobs, [base, one, two], {"b": record(one), "a": record(two), "c": empty}, 2)
    found = inline_records(blobs, image)
    assert found["b"] == record(one, 0.0, "")
    assert found["a"] == record(two, 0.0, "")
    assert found["c"].layer is None
    assert set(found) == {"a", "b", "c"}


def test_of_a_step_of_another_stage_nothing_is_said(blobs):
    one, other = layer(blobs, b"one"), layer(blobs, b"other")
    image = put(blobs, [one], {"a": record(one), "b": record(other)})
    assert set(inline_records(blobs, image)) == {"a"}


def test_how_long_it_took_and_where_does_not_change_the_image(blobs):
    one = layer(blobs, b"one")
    images = [put(blobs, [one], {"a": record(one, *how)}) for how in ((1.0, "native"), (9, "x"))]
    assert images[0] == images[1]


def test_an_image_without_is_what_it_always_was(blobs):
    one = layer(blobs, b"one")
    image = put(blobs, [one], {})
    _, manifest, _ = image_for(blobs, image, PLATFORMS[0])
    assert "vnd.amphora.steps.v1" not in json.loads(blobs.read(manifest.config.digest))
    assert inline_records(blobs, image) == {}


def test_an_image_that_begins_with_it_does_not_have_it(blobs):
    one = layer(blobs, b"one")
    image = put(blobs, [one], {"a": record(one)})
    _, manifest, config = image_for(blobs, image, PLATFORMS[0])
    assert config.inline_steps == (InlineStep("a", "2026-01-02T03:04:05Z", 0),)
    assert ImageState.of_image(manifest, config).image_config().inline_steps == ()


def test_a_step_that_made_no_layer_of_the_image_is_left_out(blobs):
    one = layer(blobs, b"one")
    image = put(blobs, [one], {"a": record(one)})
    _, manifest, _ = image_for(blobs, image, PLATFORMS[0])
    config = json.loads(blobs.read(manifest.config.digest))
    for number in (-1, 1):
        config["vnd.amphora.steps.v1"][0]["layer"] = number
        wrong = ImageConfig.decode(json.dumps(config).encode())
        lying = put_image(blobs, wrong, manifest.layers)
        assert inline_records(blobs, lying) == {}
