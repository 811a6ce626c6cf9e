import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from amphora.core.descriptor import OCI_INDEX, OCI_LAYER, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, DiskFullError, NotFoundError, StoreError
from amphora.core.reference import Reference
from amphora.oci import uses
from amphora.oci.garbage import Freed
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store
from amphora.oci.uses import Use

HELLO = Reference.parse("localhost:5000/hello:1.0")


def index_json(store):
    return json.loads((store.root / "index.json").read_bytes())


def test_a_new_store_is_an_image_layout(store):
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert index_json(store) == {"manifests": [], "schemaVersion": 2, "mediaType": OCI_INDEX}
    assert store.check() == []


def test_names_survive_and_are_shown_to_other_programs(store, make):
    root = make.image("linux/amd64", "linux/arm64")
    store.tag(HELLO, root)
    assert Store(store.root).resolve(HELLO) == root
    (entry,) = index_json(store)["manifests"]
    assert entry["digest"] == str(root.digest)
    assert entry["annotations"] == {
        "io.containerd.image.name": "localhost:5000/hello:1.0",
        "org.opencontainers.image.ref.name": "localhost:5000/hello:1.0",
    }
    store.untag(HELLO)
    assert index_json(store)["manifests"] == []
    with pytest.raises(NotFoundError):
        store.resolve(HELLO)
    with pytest.raises(NotFoundError):
        store.untag(HELLO)


def test_a_descriptor_keeps_its_own_annotations(store, make):
    root = replace(make.image("linux/arm64"), annotations={"b": "2", "a": "1"})
    store.tag(HELLO, root)
    assert store.resolve(HELLO) == root
    assert index_json(store)["manifests"][0]["annotations"]["a"] == "1"


def test_a_name_needs_content(store):
    with pytest.raises(NotFoundError, match="blob"):
        store.tag(HELLO, Descriptor(OCI_INDEX, Digest.of(b"gone"), 4))
    assert store.images() == []


def test_the_list_is_sorted_and_a_name_is_dated_when_it_moves(store, make):
    first, second = make.image("linux/amd64"), make.image("linux/arm64")
    for name in ("zebra:1", "debian", "localhost:5000/a:2"):
        store.tag(Reference.parse(name), first)
    assert [str(image.reference) for image in store.images()] == [
        "docker.io/library/debian:latest",
        "docker.io/library/zebra:1",
        "localhost:5000/a:2",
    ]
    with store.database.writing() as connection:
        connection.execute("UPDATE names SET created = '2001-01-01T00:00:00Z'")
    store.tag(Reference.parse("debian"), first)
    store.tag(Reference.parse("zebra:1"), second)
    dates = {image.reference.path: image.created for image in store.images()}
    assert dates["library/debian"] == "2001-01-01T00:00:00Z"
    assert dates["library/zebra"] > "2020"


def test_an_unknown_name_says_what_there_is(store, make):
    store.tag(HELLO, make.image("linux/amd64"))
    with pytest.raises(NotFoundError, match=r"localhost:5000/hello:1\.0") as caught:
        store.resolve(Reference.parse("localhost:5000/hello:2.0"))
    assert "amphora pull localhost:5000/hello:2.0" in caught.value.next_command


def test_resolving_by_digest_finds_the_image_and_its_variants(store, make):
    made = make.variant("linux/arm64")
    root = make.index(made.manifest)
    store.tag(HELLO, root)
    repository = HELLO.repository
    assert store.resolve(Reference.parse(f"{repository}@{root.digest}")) == root
    assert store.resolve(Reference.parse(f"{repository}:x@{made.manifest.digest}")) == made.manifest
    for wrong in (f"{repository}@{made.config.digest}", f"debian@{root.digest}"):
        with pytest.raises(NotFoundError):
            store.resolve(Reference.parse(wrong))


def test_a_name_with_a_digest_ignores_the_tag(store, make):
    root = make.image("linux/arm64")
    store.tag(Reference.parse(f"debian:13@{root.digest}"), root)
    assert store.resolve(Reference.parse(f"debian:other@{root.digest}")) == root


def test_step_records_and_diff_ids(store):
    layer = store.blobs.put(b"layer", OCI_LAYER)
    record = CacheRecord(layer, Digest.of(b"plain"), "2026-01-02T03:04:05Z", "emulated", 1.25)
    empty = CacheRecord(None, None, "2026-01-02T03:04:05Z", "native", 0.0)
    store.cache_put("key", record)
    store.cache_put("empty", empty)
    again = Store(store.root)
    assert again.cache_get("key") == record
    assert again.cache_get("empty") == empty
    assert again.cache_get("other") is None
    store.cache_put("key", empty)
    assert again.cache_get("key") == empty
    store.remember_diff_id(layer.digest, Digest.of(b"plain"))
    assert again.diff_id_of(layer.digest) == Digest.of(b"plain")
    assert again.diff_id_of(Digest.of(b"other")) is None


def test_a_record_without_its_layer_is_dropped(store):
    layer = store.blobs.put(b"layer", OCI_LAYER)
    store.cache_put("key", CacheRecord(layer, layer.digest, "", "native", 1.0))
    store.blobs.delete(layer.digest)
    assert store.cache_get("key") is None
    store.blobs.put(b"layer", OCI_LAYER)
    assert store.cache_get("key") is None


def test_garbage_collection_keeps_what_is_led_to(store, make):
    kept = make.image("linux/amd64", "linux/arm64")
    store.tag(HELLO, kept)
    live = set(store.blobs)
    layer = store.blobs.put(b"a step's layer", OCI_LAYER)
    store.cache_put("key", CacheRecord(layer, layer.digest, "", "native", 1.0))
    make.image("linux/riscv64")
    lonely = store.blobs.put(b"12345", OCI_LAYER)
    store.remember_diff_id(lonely.digest, lonely.digest)
    before = sum(map(store.blobs.size, store.blobs))
    freed = store.collect_garbage()
    assert set(store.blobs) == live | {layer.digest}
    after = sum(map(store.blobs.size, store.blobs))
    assert freed == Freed(5, before - after)
    assert store.diff_id_of(lonely.digest) is None
    assert store.cache_get("key") is not None
    assert store.collect_garbage(cache=True) == Freed(1, layer.size)
    assert set(store.blobs) == live
    assert store.cache_get("key") is None
    store.untag(HELLO)
    assert store.collect_garbage().count == len(live)
    assert set(store.blobs) == set()
    assert store.check() == []


def test_garbage_collection_works_with_a_partly_pulled_image(store, make):
    pulled, other = make.variant("linux/arm64"), make.variant("linux/amd64")
    store.tag(HELLO, make.index(pulled.manifest, other.manifest))
    store.blobs.delete(other.manifest.digest)
    assert store.collect_garbage().count == 2  # config and layer of the other
    assert store.blobs.has(pulled.layers[0].digest)


def test_garbage_collection_refuses_to_guess_about_a_damaged_image(store, make):
    root = make.image("linux/arm64")
    store.tag(HELLO, root)
    store.blobs.path(root.digest).write_bytes(b"{}")
    before = set(store.blobs)
    with pytest.raises(DigestMismatchError):
        store.collect_garbage()
    assert set(store.blobs) == before


def test_garbage_collection_waits_for_nobody(store):
    with (
        store.using(),
        store.using(),
        pytest.raises(StoreError, match="in use by another amphora"),
    ):
        Store(store.root).collect_garbage()
    store.collect_garbage()


def test_unpacked_layers_of_images_stay_and_others_go_with_what_else_is_to_go(store, make):
    made = make.variant("linux/arm64", "one", "two")
    store.tag(HELLO, make.index(made.manifest))
    one, two = Digest.of(b"one"), Digest.of(b"two")
    live = {one.hex, Digest.of(f"{one} {two}".encode()).hex}
    for name in (*live, two.hex):
        (store.root / "snapshots" / name / "usr").mkdir(parents=True)
    assert store.collect_garbage(also=lambda: Freed(2, 100)) == Freed(3, 100)
    assert {path.name for path in (store.root / "snapshots").iterdir()} == live
    assert list((store.root / "work").iterdir()) == []


def test_a_store_of_before_learns_when_steps_are_used(store, make):
    """As version 1 left it: without the tables that tell."""
    store.tag(HELLO, make.image("linux/arm64"))
    record = CacheRecord(None, None, "2026-01-02T03:04:05Z", "native", 1.0)
    store.cache_put("key", record)
    connection = sqlite3.connect(store.root / "index.db")
    for statement in ("DROP TABLE uses", "DROP TABLE sizes", "PRAGMA user_version = 1"):
        connection.execute(statement)
    connection.close()
    again = Store(store.root)
    assert again.cache_get("key") == record
    assert [image.reference for image in again.images()] == [HELLO]
    again.note_uses({"key": Use("RUN it", "linux/arm64", None, None)})
    again.note_uses({"key": Use("RUN it", "linux/arm64", None, None)})
    uses.fold(again.root, again.database)
    with again.database.reading() as connection:
        assert uses.listed(connection)["key"].times == 2


def test_threads_share_a_store(store, make):
    root = make.image("linux/arm64")

    def work(number):
        with store.using():
            store.tag(Reference.parse(f"test/thread:{number}"), root)
            store.cache_put(f"key {number}", CacheRecord(None, None, "", "native", number))
            return store.cache_get(f"key {number}").seconds

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == list(range(40))
    assert len(store.images()) == len(index_json(store)["manifests"]) == 40


def test_a_stale_index_and_a_killed_writer_are_repaired_on_use(store, make):
    store.tag(HELLO, make.image("linux/arm64"))
    good = (store.root / "index.json").read_bytes()
    (store.root / "index.json").write_bytes(b'{"manifests":[]}')
    (store.root / ".index.json.0123456789ab").write_bytes(b"{")
    (store.root / "ingest" / "dead").write_bytes(b"12345")
    assert {problem.kind for problem in store.check()} == {"stale-index", "leftover"}
    with store.blobs.writer() as alive:
        alive.write(b"still being written")
        with store.using():
            pass
        assert alive.commit() in set(store.blobs)
    assert (store.root / "index.json").read_bytes() == good
    assert store.check() == []


def test_a_damaged_database_says_so_and_names_come_back_from_the_index(store, make):
    root = make.image("linux/arm64")
    store.tag(HELLO, replace(root, annotations={"own": "kept"}))
    (store.root / "index.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError) as caught:
        store.resolve(HELLO)
    assert f"rm {store.root / 'index.db'}*" in caught.value.next_command
    assert [problem.kind for problem in store.check()] == ["database"]
    for path in store.root.glob("index.db*"):
        path.unlink()
    again = Store(store.root)
    assert again.resolve(HELLO) == replace(root, annotations={"own": "kept"})
    assert again.check() == []


def test_a_database_and_index_that_are_both_damaged(store):
    (store.root / "index.db").unlink()
    (store.root / "index.json").write_bytes(b"{")
    with pytest.raises(StoreError, match="names") as caught:
        store.images()
    assert "index.json" in caught.value.next_command


def test_a_newer_schema_is_left_alone(store):
    connection = sqlite3.connect(store.root / "index.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="made by a newer amphora"):
        store.images()


def test_committed_means_on_disk(store):
    with store.database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_database_that_cannot_grow_is_a_full_disk(store):
    def fill(connection):
        connection.execute("PRAGMA max_page_count = 20")
        for number in range(100):
            connection.execute("INSERT INTO diff_ids VALUES (?, ?)", (str(number), "x" * 4000))

    with pytest.raises(DiskFullError, match=r"index\.db"), store.database.writing() as connection:
        fill(connection)
    with store.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM diff_ids").fetchone() == (0,)


def test_an_unreadable_database_names_the_reason(store):
    (store.root / "index.db").unlink()
    (store.root / "index.db").mkdir()
    with pytest.raises(StoreError, match="unable to open"):
        store.images()
