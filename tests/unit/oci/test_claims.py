"""What somebody works with stays while somebody else removes what is garbage."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amphora.core.descriptor import OCI_LAYER
from amphora.core.digest import Digest
from amphora.oci.garbage import Freed, bury
from amphora.oci.store import Store
from amphora.oci.workspace import workspace

#: Stores content that nothing leads to, and reads it again while it uses the store.
WORKER = """
import sys
from pathlib import Path
from amphora.core.descriptor import OCI_LAYER
from amphora.oci.store import Store

store, name, rounds = Store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    content = f"{name} {number % 3}".encode()
    with store.using():
        layer = store.blobs.put(content, OCI_LAYER)
        with store.blobs.writer() as writer:
            writer.write(content * 2)
            digest = writer.commit()
        print(number, flush=True)
        for _ in range(3):
            assert store.blobs.read(layer.digest) == content
            assert store.blobs.read(digest) == content * 2
        if number == rounds - 1:
            sys.stdin.read()
"""


def start(root: Path, name: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WORKER, str(root), name, str(rounds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def prune(store) -> Freed:
    """All garbage that nobody claims."""
    with workspace(store.root) as grave, store.pruning() as claimed:
        return bury(store.blobs, store.database, grave, claimed=claimed.names)


@pytest.fixture
def other(store):
    """Another process's look at the store."""
    return Store(store.root)


def test_what_was_looked_at_stays_until_nobody_uses_the_store(store, other):
    put = other.blobs.put(b"put", OCI_LAYER)
    seen, asked = (store.blobs.put(text, OCI_LAYER) for text in (b"seen", b"asked"))
    store.blobs.put(b"not looked at", OCI_LAYER)
    with other.using():
        with other.using():
            assert other.blobs.has(seen.digest)
        assert other.blobs.size(asked.digest) == 5
        other.blobs.put(b"put", OCI_LAYER)
        assert prune(store).count == 1
        assert set(store.blobs) == {put.digest, seen.digest, asked.digest}
        assert store.blobs.claims.of_others().busy
    assert not store.blobs.claims.of_others().busy
    assert prune(store).count == 3
    assert list((store.root / "claims").iterdir()) == []


def test_outside_of_using_nothing_is_claimed(store, other):
    blob = other.blobs.put(b"content", OCI_LAYER)
    assert other.blobs.has(blob.digest)
    assert prune(store).count == 1


def test_one_who_looks_in_the_moment_of_pruning_waits_and_sees_what_went(store):
    gone = store.blobs.put(b"gone", OCI_LAYER)
    script = (
        "import sys; from pathlib import Path; from amphora.oci.store import Store;"
        "from amphora.core.digest import Digest; store = Store(Path(sys.argv[1]))\n"
        "print('begins', flush=True)\n"
        "with store.using(): print(store.blobs.has(Digest.parse(sys.argv[2])))"
    )
    with workspace(store.root) as grave, store.pruning() as claimed:
        looks = subprocess.Popen(
            [sys.executable, "-c", script, str(store.root), str(gone.digest)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert looks.stdout.readline() == "begins\n"
        bury(store.blobs, store.database, grave, claimed=claimed.names)
    assert looks.communicate()[0] == "False\n"


def test_beside_writers_all_that_they_have_stays(store):
    workers = [start(store.root, name, rounds=60) for name in ("one", "two", "one")]
    removed = 0
    waiting = set(workers)
    while waiting:
        removed += prune(store).count
        for worker in list(waiting):
            line = worker.stdout.readline()
            if line in {"59\n", ""}:
                waiting.remove(worker)
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert removed


def test_what_a_killed_process_claimed_is_not_claimed_any_more(store):
    worker = start(store.root, "killed", rounds=1)
    worker.stdout.readline()
    assert prune(store).count == 0
    claimed = store.blobs.claims.of_others()
    assert str(Digest.of(b"killed 0")) in claimed.names
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    assert len(os.listdir(store.root / "claims")) == 1
    assert prune(store).count == 2
    assert list((store.root / "claims").iterdir()) == []
