"""Statements beside an image and in its index."""

import json

import pytest
from msgspec.structs import replace

from amphora.build.assemble import assemble
from amphora.build.attest.attach import attach_beside, attach_inside, forget_older
from amphora.build.attest.facts import Predicate
from amphora.build.export.image import export_image
from amphora.build.export.options import ImageOptions
from amphora.build.request import BuildResult
from amphora.build.state import ImageState
from amphora.core.descriptor import OCI_EMPTY, OCI_INDEX, OCI_LAYER_GZIP
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import UNKNOWN, image_for, variants
from amphora.oci.model import Index, Manifest
from amphora.oci.snapshots import Layer
from amphora.oci.store import Store

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
NAME = Reference.parse("localhost:5000/app:1")
IN_TOTO = "application/vnd.in-toto+json"
SLSA, SPDX = "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def build(store):
    def make(*platforms, when="now"):
        states = []
        for platform in platforms:
            blob = store.blobs.put(f"layer for {platform}".encode(), OCI_LAYER_GZIP)
            layer = Layer(blob, Digest.of(b"unpacked"))
            states.append(ImageState(platform).with_layer(layer, "2020-01-01T00:00:00Z", "COPY"))
        image, made = assemble(store.blobs, platforms, states, {})
        said = {
            platform: (
                Predicate(SPDX, {"packages": [str(platform)]}),
                Predicate(SLSA, {"when": when}),
            )
            for platform in platforms
        }
        return BuildResult(image, made, (), predicates=said)

    return make


def read(store, digest):
    return json.loads(store.blobs.read(digest))


def test_beside_an_image_each_statement_is_a_referrer_of_its_variant(store, build):
    plain = build(AMD64, ARM64)
    result = attach_beside(store.blobs, plain, [NAME])
    assert (result.image, result.variants) == (plain.image, plain.variants)
    found = [
        (artifact.artifact_type, Manifest.decode(store.blobs.read(artifact.digest)))
        for artifact in result.artifacts
    ]
    assert [kind for kind, _ in found] == [IN_TOTO] * 4
    assert [manifest.subject.digest for _, manifest in found] == [
        variant.manifest.digest for variant in plain.variants for _ in range(2)
    ]
    for number, (_, manifest) in enumerate(found):
        kind = (SPDX, SLSA)[number % 2]
        [layer] = manifest.layers
        assert manifest.config.media_type == OCI_EMPTY
        assert (manifest.artifact_type, layer.media_type) == (IN_TOTO, IN_TOTO)
        assert manifest.annotations == layer.annotations == {"in-toto.io/predicate-type": kind}
        statement = read(store, layer.digest)
        platform = str((AMD64, ARM64)[number // 2])
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == kind
        assert statement["subject"] == [
            {
                "name": f"pkg:docker/localhost:5000/app@1?platform={platform.replace('/', '%2F')}",
                "digest": {"sha256": manifest.subject.digest.hex},
            }
        ]


def test_an_old_predicate_comes_in_an_old_statement(store, build):
    result = build(AMD64)
    old = Predicate("https://slsa.dev/provenance/v0.2", {})
    [artifact] = attach_beside(
        store.blobs, replace(result, predicates={AMD64: (old,)}), ()
    ).artifacts
    [layer] = Manifest.decode(store.blobs.read(artifact.digest)).layers
    statement = read(store, layer.digest)
    assert statement["_type"] == "https://in-toto.io/Statement/v0.1"
    assert [subject["name"] for subject in statement["subject"]] == ["_"]


@pytest.mark.parametrize("platforms", [(ARM64,), (AMD64, ARM64)])
def test_in_the_index_they_lie_as_buildkit_lays_them(store, build, platforms):
    plain = build(*platforms)
    result = attach_inside(store.blobs, plain, [NAME])
    assert result.artifacts == ()
    assert result.image.media_type == OCI_INDEX
    entries = Index.decode(store.blobs.read(result.image.digest)).manifests
    own, added = entries[: len(platforms)], entries[len(platforms) :]
    assert list(own) == [variant.manifest for variant in plain.variants]
    for variant, entry in zip(plain.variants, added, strict=True):
        assert entry.platform == UNKNOWN
        assert entry.annotations == {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(variant.manifest.digest),
        }
        manifest = Manifest.decode(store.blobs.read(entry.digest))
        assert [layer.annotations["in-toto.io/predicate-type"] for layer in manifest.layers] == [
            *(SPDX, SLSA)
        ]
        config = read(store, manifest.config.digest)
        assert (config["os"], config["architecture"]) == ("unknown", "unknown")
        assert config["rootfs"]["diff_ids"] == [str(layer.digest) for layer in manifest.layers]
    assert list(variants(store.blobs, result.image)) == list(platforms)
    assert image_for(store.blobs, result.image, ARM64)[0] == plain.variants[-1].manifest


def test_docker_has_no_place_in_its_index_for_them(store, build):
    form = export_image(store, build(AMD64), ImageOptions(docker_types=True))
    with pytest.raises(InvalidValueError, match="docker's own types"):
        attach_inside(store.blobs, form, ())


def test_equal_results_have_equal_artifacts(store, build):
    first, again = (attach_beside(store.blobs, build(AMD64, ARM64), [NAME]) for _ in range(2))
    assert first.artifacts == again.artifacts
    inside = [attach_inside(store.blobs, build(AMD64), [NAME]).image for _ in range(2)]
    assert inside[0] == inside[1]


def keep(store, result):
    store.tag(NAME, result.image)
    forget_older(store, result, NAME)
    for artifact in result.artifacts:
        store.attach(artifact, NAME)


def test_a_variant_that_is_built_again_has_the_newest_provenance(store, build):
    first = attach_beside(store.blobs, build(AMD64), [NAME])
    again = attach_beside(store.blobs, build(AMD64, when="later"), [NAME])
    other = Predicate("https://example.org/review", {"by": "me"})
    review = attach_beside(store.blobs, replace(build(AMD64), predicates={AMD64: (other,)}), [NAME])
    for result in (first, review, again):
        keep(store, result)
    subject = first.variants[0].manifest.digest
    digests = {artifact.digest for artifact in store.referrers(subject)}
    assert digests == {item.digest for item in (*again.artifacts, *review.artifacts)}
    store.collect_garbage()
    assert not store.blobs.has(first.artifacts[1].digest)
    assert store.check() == []


def test_a_build_without_attestations_takes_none_away(store, build):
    first = attach_beside(store.blobs, build(AMD64), [NAME])
    keep(store, first)
    keep(store, build(AMD64))
    assert len(store.artifacts_about(first.image)) == 2
