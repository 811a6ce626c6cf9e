from msgspec.structs import replace

from amphora.core.reference import Reference
from amphora.oci.steps import CacheRecord
from amphora.oci.workspace import workspace

HELLO = Reference.parse("hello")


def found(store):
    return {(problem.kind.value, problem.subject) for problem in store.check()}


def test_altered_content_is_found_by_hashing(store, make):
    made = make.variant("linux/arm64")
    store.tag(HELLO, make.index(made.manifest))
    store.blobs.path(made.layers[0].digest).write_bytes(b"layer of linux/arm6X")
    assert found(store) == {("corrupt", str(made.layers[0].digest))}


def test_a_damaged_manifest_is_reported_once_and_ends_the_walk_there(store, make):
    made = make.variant("linux/arm64")
    store.tag(HELLO, make.index(made.manifest))
    path = store.blobs.path(made.manifest.digest)
    path.write_bytes(path.read_bytes().replace(b'"', b"'"))
    assert found(store) == {("corrupt", str(made.manifest.digest))}


def test_missing_content_of_images_and_steps(store, make):
    made = make.variant("linux/arm64", "one", "two")
    store.tag(HELLO, make.index(made.manifest))
    step = store.blobs.put(b"step", "layer")
    store.cache_put("key", CacheRecord(step, step.digest, "", "native", 0.0))
    for digest in (made.layers[1].digest, step.digest):
        store.blobs.delete(digest)
    assert found(store) == {
        ("missing", str(made.layers[1].digest)),
        ("missing", str(step.digest)),
    }
    sentences = [problem.sentence for problem in store.check()]
    assert "image hello:latest needs" in sentences[0]


def test_platforms_that_were_not_pulled_are_no_problem_but_one_must_be_there(store, make):
    first, second = make.variant("linux/arm64"), make.variant("linux/amd64")
    store.tag(HELLO, make.index(first.manifest, second.manifest))
    store.blobs.delete(first.manifest.digest)
    assert found(store) == set()
    store.blobs.delete(second.manifest.digest)
    assert found(store) == {
        ("missing", str(first.manifest.digest)),
        ("missing", str(second.manifest.digest)),
    }


def test_a_descriptor_with_the_wrong_size(store, make):
    root = make.image("linux/arm64")
    store.tag(HELLO, replace(root, size=root.size + 1))
    assert found(store) == {("wrong-size", str(root.digest))}


def test_a_root_that_is_no_manifest(store):
    root = store.blobs.put(b"[]", "application/vnd.oci.image.index.v1+json")
    store.tag(HELLO, root)
    assert found(store) == {("malformed", str(root.digest))}


def test_files_that_are_no_blobs(store):
    path = store.root / "blobs" / "sha256" / "README"
    path.write_text("what am I doing here")
    assert found(store) == {("foreign", str(path))}


def test_damage_inside_the_database(store, make):
    root = make.image("linux/arm64")
    for number in range(200):
        store.cache_put(f"{number:04}" * 40, CacheRecord(None, None, "", "native", number))
    store.tag(HELLO, root)
    path = store.root / "index.db"
    content = bytearray(path.read_bytes())
    page = 4096 * (len(content) // 4096 // 2)
    content[page : page + 4096] = bytes(4096)
    path.write_bytes(content)
    assert "database" in {kind for kind, _ in found(store)}


def test_a_file_being_written_is_no_leftover(store):
    with store.blobs.writer() as writer:
        writer.write(b"half")
        assert found(store) == set()


def test_an_abandoned_workspace_is_a_leftover_and_one_in_use_is_not(store):
    with workspace(store.root) as alive:
        dead = alive.with_name("dead")
        dead.mkdir()
        dead.with_suffix(".lock").touch()
        assert found(store) == {("leftover", str(dead))}
