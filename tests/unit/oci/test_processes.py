"""Many processes in one store, some of them killed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amphora.core.reference import Reference
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces

#: Uses a store as builds and pulls do, on and on, under names that start with its argument.
WORKER = """
import itertools, sys
from pathlib import Path
from amphora.core.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from amphora.core.errors import StoreError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.config import ImageConfig
from amphora.oci.model import Manifest
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store

root, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(rounds) if rounds else itertools.count():
    store = Store(root)
    with store.using():
        config = store.blobs.put(ImageConfig(Platform.host()).encode(), OCI_CONFIG)
        with store.blobs.writer() as writer:
            for _ in range(20):
                writer.write(f"{name} {number}".encode() * 1000)
            digest = writer.commit()
        layer = store.blobs.put(f"layer {name} {number}".encode(), OCI_LAYER)
        store.cache_put(f"{name} {number % 5}", CacheRecord(layer, digest, "", "native", 1.0))
        manifest = store.blobs.put(Manifest(config, (layer,)).encode(), OCI_MANIFEST)
        reference = Reference.parse(f"test/{name}:{number % 5}")
        store.tag(reference, manifest)
        assert store.resolve(reference) == manifest
        assert store.cache_get(f"{name} {number % 5}").layer == layer
    try:
        store.collect_garbage()
    except StoreError:
        pass
    print(number, flush=True)
"""


def start(root: Path, name: str, rounds: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WORKER, str(root), name, str(rounds)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_share_a_store_from_its_first_moment(tmp_path):
    root = tmp_path / "store"
    workers = [start(root, f"worker{number}", rounds=12) for number in range(5)]
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0] * 5
    store = Store(root)
    assert len(store.images()) == 25
    assert store.check() == []
    store.collect_garbage()
    assert store.check() == []
    assert store.collect_garbage().count == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_store_survives_kill_9(tmp_path, seed):
    root = tmp_path / "store"
    chance = random.Random(seed)
    workers = [start(root, "victim"), start(root, "witness")]
    for worker in workers:
        worker.stdout.readline()
    time.sleep(chance.random() / 20)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    store = Store(root)
    with store.using():
        sweep_workspaces(root)  # a grave, if it was killed while it collected garbage
        assert store.check() == []
        for image in store.images():
            assert store.resolve(image.reference) == image.descriptor
    store.collect_garbage()
    assert store.check() == []
    assert list((root / "ingest").iterdir()) == []
    assert Reference.parse("test/victim:0") in [image.reference for image in store.images()]


def test_a_sweep_beside_writers_takes_nothing_from_them(tmp_path):
    """The moment between creating an ingest file and locking it is the dangerous one."""
    root = tmp_path / "store"
    worker = start(root, "writer", rounds=40)
    store = Store(root)
    while worker.poll() is None:
        store.blobs.sweep()
    worker.communicate()
    assert worker.returncode == 0
