"""Files that did not change since the last build are not read again, and only those."""

import hashlib
import os
import time

import msgspec
import pytest

from amphora.build.context_hashes import ContextHashes, forget_contexts, kept_contexts


@pytest.fixture
def context(tmp_path):
    directory = tmp_path / "context"
    directory.mkdir()
    return directory


@pytest.fixture
def store(tmp_path):
    directory = tmp_path / "store"
    directory.mkdir()
    return directory


@pytest.fixture
def read(store, context):
    """What a build takes for the digest of a file; what it read is kept afterwards."""

    def call(path):
        hashes = ContextHashes(store)
        digest = hashes.of(context).of(path, path.stat())
        hashes.keep()
        return digest

    return call


@pytest.fixture
def kept(store):
    """The rows of the one directory that is remembered; to be replaced by others."""

    def call(change=None):
        (file,) = store.glob("contexts/*")
        rows = msgspec.msgpack.decode(file.read_bytes())
        if change is not None:
            file.write_bytes(msgspec.msgpack.encode([change(row) for row in rows]))
        return rows

    return call


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A file that nothing changes, and nothing has for a while: nobody can set its ctime."""
    return settled(tmp_path_factory.mktemp("old") / "file")


def settled(path):
    path.write_text("content")
    while time.time_ns() - path.stat().st_ctime_ns < 2_100_000_000:
        time.sleep(0.05)
    return path


def sha256(text):
    return hashlib.sha256(text.encode()).digest()


def test_a_file_is_read_once_and_again_when_it_changes(context, read, kept):
    old = settled(context / "file")
    assert read(old) == sha256("content")
    kept(lambda row: [*row[:5], sha256("what was kept")])
    assert read(old) == sha256("what was kept")

    times = old.stat()
    old.write_text("CONTENT")
    os.utime(old, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read(old) == sha256("CONTENT")

    # It has changed a moment ago, and may once more at the very same time.
    assert kept() == []


def test_what_two_builds_read_of_one_directory_is_kept_together(store, tmp_path, old, kept):
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.symlink_to(old.parent)
    other = settled(old.with_name("other"))
    hashes = ContextHashes(store)
    for directory, path in ((one, old), (two, other)):
        hashes.of(directory).of(path, path.stat())
    hashes.keep()
    assert len(kept()) == 2


@pytest.mark.parametrize("damage", [b"", b"\x93", b"\xff" * 100, b"\x91\x01"])
def test_what_is_damaged_is_not_believed(store, read, old, damage):
    read(old)
    (file,) = store.glob("contexts/*")
    file.write_bytes(damage)
    assert read(old) == sha256("content")


def test_only_what_the_last_build_read_is_kept(context, read, kept, old):
    read(old)
    assert len(kept()) == 1
    (context / "new").write_text("new")
    read(context / "new")
    assert kept() == []


def test_few_directories_are_remembered(store, tmp_path, old):
    for number in range(60):
        hashes = ContextHashes(store)
        hashes.of(tmp_path / str(number)).of(old, old.stat())
        hashes.keep()
    assert len(list(store.glob("contexts/*"))) == 50
    forget_contexts(store)
    assert not (store / "contexts").exists()


def test_it_is_as_old_as_the_last_build_from_there_and_forgotten_by_name(store, read, old):
    read(old)
    (path,) = kept_contexts(store)
    os.utime(path, (1, 1))
    read(old)
    assert path.stat().st_mtime > 1
    path.with_name(f".{path.name}.partial").touch()  # what a build writes just now
    assert kept_contexts(store) == [path]
    forget_contexts(store, ["another"])
    assert kept_contexts(store) == [path]
    forget_contexts(store, [path.name])
    assert kept_contexts(store) == []
