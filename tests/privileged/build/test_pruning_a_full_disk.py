"""A disk that is really full, on which the database cannot even be read: pruning makes room."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.privileged

#: Runs alone on a fresh tmpfs.
PROGRAM = """
import sys
from contextlib import suppress
from pathlib import Path
from amphora.build.pruning.limits import Limits
from amphora.build.pruning.prune import prune
from amphora.core.descriptor import OCI_LAYER
from amphora.core.errors import DiskFullError
from amphora.core.reference import Reference
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store

disk = Path(sys.argv[1])
store = Store(disk / "store")
kept, gone = (store.blobs.put(bytes([n]) * 2_000_000, OCI_LAYER) for n in (1, 2))
store.tag(Reference.parse("kept"), kept)
store.cache_put("gone", CacheRecord(gone, gone.digest, "", "native", 1.0))
for n in (1, 2):
    (store.root / "snapshots" / f"{n:064x}").mkdir(parents=True)
    (store.root / "snapshots" / f"{n:064x}" / "file").write_bytes(bytes(5_000_000))
with (disk / "last").open("wb", buffering=0) as last, suppress(OSError):
    while True:
        last.write(bytes(4096))
try:
    store.images()
except DiskFullError as error:
    print("full;", "builder prune" in error.next_command)
done = prune(store, filters=(), limits=Limits(), internal=False)
# One of the unpacked layers was what made room.
print(len(done.entries), 7_000_000 <= done.freed < 7_100_000)
print(set(store.blobs) == {kept.digest}, store.check())
"""


def test_pruning_makes_room_for_itself(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
         'mount -t tmpfs -o size=20m none "$1"; exec "$2" -W error "$3" "$1"',
         "sh", disk, sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["full; True", "2 True", "True []"]
