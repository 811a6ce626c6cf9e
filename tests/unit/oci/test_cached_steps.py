"""What a store has beside its images, as entries: steps, unpacked layers, what nothing leads to."""

import os

import pytest

from amphora.core.descriptor import OCI_LAYER
from amphora.core.digest import Digest
from amphora.core.reference import Reference
from amphora.oci.cache_entry import EntryType
from amphora.oci.cached_steps import cached
from amphora.oci.config import chain_id
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store
from amphora.oci.uses import Use

BASE, ONE, TWO = (Digest.of(text) for text in (b"base", b"one", b"two"))
CREATED = "2026-01-02T03:04:05Z"
NO_FILES = 4096  # what an empty directory may take


@pytest.fixture
def unpacked(store):
    """Make a snapshot with so many bytes in it."""

    def make(diff_ids, size):
        name = chain_id(diff_ids).hex
        (store.root / "snapshots" / name).mkdir(parents=True)
        (store.root / "snapshots" / name / "file").write_bytes(os.urandom(size))
        return name

    return make


def entries(store):
    return {entry.description: entry for entry in cached(store.blobs, store.database, ())}


def test_a_step_has_its_layer_and_what_that_unpacks_to(store, make, unpacked):
    made = make.variant("linux/amd64", "base", "one")
    store.tag(Reference.parse("it"), made.manifest)
    unpacked([BASE], 10_000)
    unpacked([BASE, ONE], 20_000)
    other = unpacked([BASE, TWO], 400_000)
    for key, text, diff_id in (("1" * 64, b"one", ONE), ("2" * 64, b"two", TWO)):
        layer = store.blobs.put(text, OCI_LAYER)
        store.cache_put(key, CacheRecord(layer, diff_id, CREATED, "native", 1.0))
    store.cache_put("3" * 64, CacheRecord(None, None, CREATED, "native", 1.0))
    store.cache_put("4" * 64, CacheRecord(None, ONE, CREATED, "worker", 1.0))  # a digest of files
    store.cache_put("seconds 5", CacheRecord(None, None, "", "native", 1.0))
    base, above = chain_id([BASE]), chain_id([BASE, TWO])
    store.note_uses({"1" * 64: Use("RUN one", "linux/amd64", base, chain_id([BASE, ONE]))})
    store.note_uses(
        {
            "2" * 64: Use("RUN two", "linux/amd64", base, above),
            "3" * 64: Use("RUN true", "linux/amd64", above, above),
        }
    )
    found = entries(store)
    assert found.keys() == {"RUN one", "RUN two", "RUN true", "unpacked layer of an image"}
    one, two, three = (found[name] for name in ("RUN one", "RUN two", "RUN true"))
    assert (one.size, one.shared, one.id) == (3, True, "1" * 64)
    assert [piece.name for piece in two.pieces] == [str(TWO), other]
    assert 400_003 <= two.size <= 400_003 + 2 * NO_FILES
    assert (two.shared, two.place, two.times, two.parents) == (False, 0, 1, ())
    assert (three.size, three.place, three.parents) == (0, 1, ("2" * 64,))
    assert one.used < two.used == three.used
    of_image = [
        entry
        for entry in cached(store.blobs, store.database, ())
        if entry.type is EntryType.INTERNAL
    ]
    assert len(of_image) == 2
    assert not any(entry.shared for entry in of_image)


def test_a_store_of_before_tells_the_age_of_steps_by_their_layers(store):
    layer = store.blobs.put(b"one", OCI_LAYER)
    store.cache_put("1" * 64, CacheRecord(layer, ONE, "1970-01-01T00:00:00Z", "native", 1.0))
    store.cache_put("2" * 64, CacheRecord(None, None, CREATED, "native", 1.0))
    store.cache_put(f"{ONE} as zstd 3", CacheRecord(layer, ONE, "", "worker", 0.0))
    written = store.blobs.path(layer.digest).stat().st_ctime
    found = {entry.name: entry for entry in cached(store.blobs, store.database, ())}
    assert found["1" * 64].used == written
    assert found["2" * 64].used == 1767323045
    assert found[f"{ONE} as zstd 3"].description == f"{ONE} as zstd 3"
    assert {entry.times for entry in found.values()} == {0}


@pytest.mark.parametrize("created", ["", "yesterday", "99999-01-01", "0001-01-01T00:00:00+14:00"])
def test_a_record_of_a_cache_of_somebody_elses_may_say_anything(store, created):
    store.cache_put("1" * 64, CacheRecord(None, None, created, "native", 1.0))
    (entry,) = cached(store.blobs, store.database, ())
    assert entry.created == 0.0


def test_what_nothing_leads_to_is_listed_too(store, make, unpacked):
    make.image("linux/amd64")
    name = unpacked([ONE], 10)
    found = cached(store.blobs, store.database, ())
    assert len(found) == 5
    assert {entry.type for entry in found} == {EntryType.REGULAR}
    (snapshot,) = [entry for entry in found if entry.name == name]
    assert snapshot.description == "unpacked layer that no image and no step leads to"


def test_what_is_unpacked_is_measured_once(store, unpacked):
    name = unpacked([ONE], 100_000)
    (first,) = cached(store.blobs, store.database, ())
    (store.root / "snapshots" / name / "file").unlink()
    (same,) = cached(Store(store.root).blobs, store.database, ())
    assert same.size == first.size
    assert store.collect_garbage().count == 1
    unpacked([ONE], 10)
    (again,) = cached(store.blobs, store.database, ())
    assert again.size < first.size
