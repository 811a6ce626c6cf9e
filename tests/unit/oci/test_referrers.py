"""Artifacts about images, in the store."""

from amphora.core.reference import Reference
from amphora.oci.model import Manifest
from amphora.oci.referrers import put_artifact
from amphora.oci.store import Store

HELLO = Reference.parse("localhost:5000/hello:1.0")
TYPE = "application/vnd.example.report"


def artifact(store, subject, text=b"all is well", **annotations):
    content = store.blobs.put(text, "text/plain")
    return put_artifact(store.blobs, subject, TYPE, [content], annotations)


def test_an_artifact_names_its_subject_and_tells_what_it_is(store, make):
    image = make.image("linux/amd64")
    made = artifact(store, image, result="good")
    manifest = Manifest.decode(store.blobs.read(made.digest))
    assert (manifest.subject.digest, manifest.subject.size) == (image.digest, image.size)
    assert manifest.artifact_type == made.artifact_type == TYPE
    assert made.annotations == manifest.annotations == {"result": "good"}
    assert store.blobs.read(manifest.config.digest) == b"{}"
    assert not manifest.is_image
    assert artifact(store, image, result="good") == made


def test_it_is_found_by_its_subject_in_a_new_store_object_too(store, make):
    image, other = make.image("linux/amd64"), make.image("linux/arm64")
    store.tag(HELLO, image)
    first, second = artifact(store, image), artifact(store, image, b"again")
    for each in (first, second, first):
        store.attach(each, HELLO)
    found = Store(store.root).referrers(image.digest)
    assert {each.digest for each in found} == {first.digest, second.digest}
    assert store.referrers(other.digest) == []
    assert store.check() == []


def test_it_lives_as_long_as_its_subject_and_so_does_what_is_about_it(store, make):
    image = make.image("linux/amd64", "linux/arm64")
    store.tag(HELLO, image)
    report = artifact(store, image)
    signature = artifact(store, report, b"signed")
    variant = make.variant("linux/amd64").manifest
    about_variant = artifact(store, variant, b"packages")
    kept = [report, signature, about_variant]
    for each in kept:
        store.attach(each, HELLO)
    store.collect_garbage()
    assert all(store.blobs.has(each.digest) for each in kept)
    assert store.check() == []
    store.untag(HELLO)
    store.collect_garbage()
    assert store.images() == []
    assert list(store.blobs) == []


def test_an_artifact_with_a_tag_is_kept_for_its_own_sake(store, make):
    made = artifact(store, make.image("linux/amd64"))
    store.tag(Reference.parse("report:1"), made)
    store.collect_garbage()
    assert [image.descriptor.digest for image in store.images()] == [made.digest]


def test_all_about_an_image_each_after_its_subject(store, make):
    variant, other = (make.variant(each).manifest for each in ("linux/amd64", "linux/arm64"))
    root = make.index(variant, other)
    first = artifact(store, variant)
    about_it = artifact(store, first, b"signed")
    elsewhere = artifact(store, make.image("linux/s390x"))
    store.tag(HELLO, root)
    for each in (about_it, first, elsewhere):
        store.attach(each, HELLO)
    assert [each.digest for each in store.artifacts_about(root)] == [
        *(first.digest, about_it.digest)
    ]
    assert store.artifacts_about(other) == []
