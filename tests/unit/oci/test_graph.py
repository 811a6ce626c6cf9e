import pytest
from msgspec.structs import replace

from amphora.core.descriptor import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, ManifestError, NotFoundError
from amphora.core.platform import Platform
from amphora.oci.graph import MAX_DOCUMENT_SIZE, children, image_for, variants, walk
from amphora.oci.model import Manifest

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")


def test_children_of_each_kind(store, make):
    made = make.variant("linux/arm64", "one", "two")
    index = make.index(made.manifest)
    assert children(store.blobs, index) == (made.manifest,)
    assert children(store.blobs, made.manifest) == (made.config, *made.layers)
    assert children(store.blobs, made.config) == ()
    assert children(store.blobs, made.layers[0]) == ()


def test_walk_yields_everything_once_and_children_before_parents(store, make):
    first = make.variant("linux/arm64", "shared", "arm64 only")
    second = make.variant("linux/amd64", "shared", "amd64 only")
    inner = make.index(second.manifest)
    root = make.index(first.manifest, second.manifest, inner)
    order = [item.digest for item in walk(store.blobs, root)]
    assert len(order) == len(set(order)) == 9  # 3 layers, 2 configs, 2 manifests, 2 indexes
    for parent in (root, inner, first.manifest, second.manifest):
        for child in children(store.blobs, parent):
            assert order.index(child.digest) < order.index(parent.digest)


def test_walk_follows_a_manifest_that_is_also_called_a_layer(store, make):
    made = make.variant("linux/arm64", "content")
    as_layer = Descriptor(OCI_LAYER, made.manifest.digest, made.manifest.size)
    disguise = store.blobs.put(Manifest(made.config, (as_layer,)).encode(), OCI_MANIFEST)
    root = make.index(replace(disguise, platform=ARM64), made.manifest)
    assert made.layers[0].digest in {item.digest for item in walk(store.blobs, root)}


def test_walk_of_deeply_nested_indexes_needs_no_deep_stack(store, make):
    root = make.image("linux/arm64")
    for _ in range(1500):
        with store.blobs.writer() as writer:
            # Without fsync, which this test has no use for.
            writer.write(
                b'{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"%s",'
                b'"size":%d}]}' % (OCI_INDEX.encode(), str(root.digest).encode(), root.size)
            )
            digest = writer.commit()
        root = Descriptor(OCI_INDEX, digest, writer.size)
    assert sum(1 for _ in walk(store.blobs, root)) == 1500 + 4
    assert list(variants(store.blobs, root)) == [ARM64]


@pytest.mark.parametrize("lost", ["config", "layer"])
def test_walk_and_absent_content(store, make, lost):
    made = make.variant("linux/arm64")
    other = make.variant("linux/amd64")
    root = make.index(made.manifest, other.manifest)
    absent = made.config if lost == "config" else made.layers[0]
    store.blobs.delete(absent.digest)
    with pytest.raises(NotFoundError, match=str(absent.digest)):
        list(walk(store.blobs, root))
    with pytest.raises(NotFoundError, match=str(absent.digest)):
        list(walk(store.blobs, root, partial=True))
    there = {item.digest for item in walk(store.blobs, root, allow_absent=True)}
    assert there == set(store.blobs)


def test_a_platform_that_was_not_pulled_is_left_out_of_a_partial_walk(store, make):
    pulled, other = make.variant("linux/arm64"), make.variant("linux/amd64")
    root = make.index(other.manifest, pulled.manifest)
    store.blobs.delete(other.manifest.digest)
    found = {item.digest for item in walk(store.blobs, root, partial=True)}
    assert found == {root.digest, pulled.manifest.digest, pulled.config.digest,
                     pulled.layers[0].digest}  # fmt: skip
    store.blobs.delete(pulled.manifest.digest)
    with pytest.raises(NotFoundError):
        list(walk(store.blobs, root, partial=True))


def test_documents_are_verified_and_bounded(store, make):
    root = make.image("linux/arm64")
    huge = store.blobs.put(b" " * (MAX_DOCUMENT_SIZE + 1), OCI_INDEX)
    with pytest.raises(ManifestError):
        children(store.blobs, huge)
    store.blobs.path(root.digest).write_bytes(b"{}")
    with pytest.raises(DigestMismatchError):
        children(store.blobs, root)


def test_image_for_selects_from_an_index(store, make):
    root = make.image("linux/arm/v7", "linux/arm64", "linux/amd64")
    descriptor, manifest, config = image_for(store.blobs, root, ARM64)
    assert descriptor.platform == config.platform == ARM64
    assert manifest.config.digest == Digest.of(config.encode())
    # containerd's rule: the 32-bit sibling will do where there is nothing better
    only_32_bit = make.image("linux/arm/v7", "linux/amd64")
    _, _, config = image_for(store.blobs, only_32_bit, ARM64)
    assert config.platform == Platform.parse("linux/arm/v7")


def test_image_for_finds_variants_in_nested_indexes(store, make):
    root = make.index(make.image("linux/amd64"), make.image("linux/arm64"))
    assert image_for(store.blobs, root, ARM64)[2].platform == ARM64


def test_image_for_accepts_a_single_manifest_of_the_platform(store, make):
    manifest = replace(make.variant("linux/arm64").manifest, platform=None)
    assert image_for(store.blobs, manifest, ARM64)[0] == manifest
    with pytest.raises(NotFoundError, match="linux/arm64") as caught:
        image_for(store.blobs, manifest, AMD64)
    assert "linux/amd64" in caught.value.what


def test_image_for_asks_the_config_where_the_index_says_no_platform(store, make):
    manifest = replace(make.variant("linux/arm64").manifest, platform=None)
    assert image_for(store.blobs, make.index(manifest), ARM64)[0] == manifest


def test_attestations_and_artifacts_are_not_variants(store, make):
    made = make.variant("linux/amd64")
    attestation = replace(made.manifest, platform=Platform("unknown", "unknown"))
    artifact = replace(made.manifest, artifact_type="application/spdx+json", platform=AMD64)
    sbom_config = store.blobs.put(b"{}", "application/vnd.oci.empty.v1+json")
    sbom = store.blobs.put(Manifest(sbom_config, ()).encode(), OCI_MANIFEST)
    root = make.index(attestation, artifact, sbom, make.variant("linux/arm64").manifest)
    assert list(variants(store.blobs, root)) == [ARM64]
    with pytest.raises(NotFoundError, match="it was made for linux/arm64") as caught:
        image_for(store.blobs, root, AMD64)
    assert "--platform linux/arm64" in caught.value.next_command


def test_a_manifest_that_only_looks_like_an_image_is_refused(store, make):
    config = store.blobs.put(b"{}", "application/vnd.example+json")
    manifest = store.blobs.put(Manifest(config, ()).encode(), OCI_MANIFEST)
    root = make.index(replace(manifest, platform=ARM64))
    with pytest.raises(ManifestError, match=r"application/vnd\.example"):
        image_for(store.blobs, root, ARM64)


def test_a_variant_that_was_not_pulled_is_not_replaced_by_a_lesser_one(store, make):
    made = make.variant("linux/arm64")
    root = make.index(made.manifest, make.variant("linux/arm/v7").manifest)
    store.blobs.delete(made.manifest.digest)
    with pytest.raises(NotFoundError) as caught:
        image_for(store.blobs, root, ARM64)
    assert "pull --platform linux/arm64" in caught.value.next_command


def test_an_absent_root_is_not_found(store):
    nothing = Descriptor(OCI_INDEX, Digest.of(b"nothing"), 7)
    for use in (lambda: list(walk(store.blobs, nothing)), lambda: variants(store.blobs, nothing)):
        with pytest.raises(NotFoundError, match="is not in the store"):
            use()
