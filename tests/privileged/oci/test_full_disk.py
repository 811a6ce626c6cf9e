"""A disk that is really full: a small tmpfs, mounted in a namespace of its own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.privileged

#: Runs alone on a fresh tmpfs of 2 MiB; prints the class of the error of each attempt.
PROGRAM = """
import sys
from contextlib import suppress
from pathlib import Path
from amphora.core.descriptor import OCI_LAYER
from amphora.core.errors import AmphoraError
from amphora.core.reference import Reference
from amphora.oci.archive import save_archive
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store

disk = Path(sys.argv[1])
store = Store(disk / "store")
name = Reference.parse("hello")
content = store.blobs.put(b"x" * 400_000, OCI_LAYER)
store.tag(name, content)

def attempt(title, action):
    try:
        action()
        print(title, "worked")
    except AmphoraError as error:
        print(title, type(error).__name__)

def many_records():
    for number in range(100_000):
        store.cache_put(f"{number:0200}", CacheRecord(None, None, "", "native", 1.0))

def many_names():
    for number in range(100_000):
        store.tag(Reference.parse(f"name:{number}"), content)

with (disk / "last").open("wb", buffering=0) as last, suppress(OSError):
    while True:
        last.write(bytes(4096))
attempt("read", store.images)  # SQLite needs room for its shared memory
(disk / "last").unlink()
attempt("blob", lambda: store.blobs.put(bytes(3 << 20), OCI_LAYER))
attempt("archive", lambda: save_archive(
    store.blobs, [(Reference.parse(f"a:{n}"), content) for n in range(9000)], disk / "out.tar"))
print("leftovers", sorted(path.name for path in disk.iterdir()),
    list(store.blobs.ingest.iterdir()))
(disk / "ballast").write_bytes(bytes(1_200_000))
attempt("records", many_records)
attempt("names", many_names)
attempt("open", lambda: Store(disk / "second"))
(disk / "ballast").unlink()
with store.using():
    assert store.resolve(name) == content
    print("problems", store.check())
attempt("afterwards", lambda: store.tag(Reference.parse("later"), content))
"""


def test_everything_that_writes_says_that_the_disk_is_full(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec",
         'mount -t tmpfs -o size=2m none "$1"; exec "$2" -W error "$3" "$1"',
         "sh", disk, sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "read DiskFullError",
        "blob DiskFullError",
        "archive DiskFullError",
        "leftovers ['store'] []",
        "records DiskFullError",
        "names DiskFullError",
        "open DiskFullError",
        "problems []",
        "afterwards worked",
    ]
