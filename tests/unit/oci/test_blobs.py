import subprocess
import sys
from contextlib import suppress

import pytest

from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, NotFoundError
from amphora.oci.blobs import BlobStore

GONE = Digest.of(b"never stored")


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path)


def test_content_is_found_under_its_digest(blobs):
    descriptor = blobs.put(b"content", "text/plain")
    assert (descriptor.digest, descriptor.size) == (Digest.of(b"content"), 7)
    assert blobs.read(descriptor.digest) == b"content"
    with blobs.open(descriptor.digest) as file:
        assert file.read() == b"content"
    assert blobs.path(descriptor.digest).relative_to(blobs.root).parts[:2] == ("blobs", "sha256")
    assert set(blobs) == {descriptor.digest}
    assert blobs.put(b"content", "text/plain") == descriptor
    blobs.delete(descriptor.digest)
    blobs.delete(descriptor.digest)
    assert set(blobs) == set()


def test_sha512_is_a_registered_algorithm_too(blobs):
    with blobs.writer("sha512") as writer:
        writer.write(b"content")
        digest = writer.commit()
    assert digest.algorithm == "sha512"
    assert blobs.read(digest) == b"content"
    assert set(blobs) == {digest}


@pytest.mark.parametrize("use", [BlobStore.read, BlobStore.open, BlobStore.size])
def test_absent_content(blobs, use):
    with pytest.raises(NotFoundError, match=str(GONE)):
        use(blobs, GONE)
    assert not blobs.has(GONE)


def test_reading_verifies(blobs):
    digest = blobs.put(b"content", "text/plain").digest
    blobs.path(digest).write_bytes(b"CONTENT")
    with pytest.raises(DigestMismatchError, match=str(digest)):
        blobs.read(digest)


@pytest.mark.parametrize("expected", [{"expected": GONE}, {"size": 8}])
def test_unexpected_content_is_not_stored(blobs, expected):
    with blobs.writer() as writer:
        writer.write(b"content")
        with pytest.raises(DigestMismatchError):
            writer.commit(**expected)
    assert set(blobs) == set()
    assert list(blobs.ingest.iterdir()) == []


def test_without_a_commit_nothing_stays(blobs):
    with blobs.writer() as writer:
        writer.write(b"content")
        assert writer.digest() == Digest.of(b"content")
    with suppress(KeyboardInterrupt), blobs.writer() as writer:
        writer.write(b"content")
        raise KeyboardInterrupt
    assert set(blobs) == set()
    assert list(blobs.ingest.iterdir()) == []


def test_only_what_a_dead_process_wrote_is_swept(blobs):
    killed = "import os, sys; from pathlib import Path; from amphora.oci.blobs import BlobStore\n"
    killed += "with BlobStore(Path(sys.argv[1])).writer() as writer:\n"
    killed += "    writer.write(bytes(1 << 20)); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", killed, str(blobs.root)], check=False)
    assert done.returncode == -9
    with blobs.writer() as alive:
        alive.write(b"alive")
        assert len(list(blobs.ingest.iterdir())) == 2
        assert len(list(blobs.abandoned())) == 1
        assert blobs.sweep() > 0
        assert len(list(blobs.ingest.iterdir())) == 1
        assert blobs.sweep() == 0
        assert blobs.read(alive.commit()) == b"alive"


def test_other_files_are_not_taken_for_blobs(blobs):
    (blobs.root / "blobs" / "sha256" / "README").write_text("hello")
    assert set(blobs) == set()
