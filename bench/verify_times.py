"""`make bench-verify`: looking at every file of a two-platform image, against decompressing it.

The image is a Debian base with compilers, about a gigabyte for both platforms. The layers are
decompressed one after the other, by gzip(1) and by the library that Amphora uses (ISA-L),
and thrown away; `amphora verify --static` also reads their tars, checks their digests and
judges each file, both platforms side by side.
"""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from isal import igzip

from journal import Journal
from measure import RUNS, table, timed, warn_if_busy
from report import write_section
from workloads import AMPHORA, STORE, amphora, have_base

_IMAGE = "debian:trixie"
_CHUNK = 1 << 20
_GZIP, _ISAL, _OURS = "`gzip -dc` of each layer", "ISA-L, each layer", "`amphora verify --static`"

_TEXT = """`make bench-verify` takes `{image}` with compilers for two platforms, {size:.0f} MB
when decompressed, of which {programs} are programs and libraries. The seconds are medians;
the ratio says how many times as long as the quicker way to decompress the layers it takes.

{table}"""


def main() -> int:
    """Measure, and write the section of the report."""
    warn_if_busy()
    have_base()
    layers = _layers()
    ways = {
        _GZIP: (partial(_gzip, layers), RUNS),
        _ISAL: (partial(_isal, layers), RUNS),
        _OURS: (partial(timed, _verify()), RUNS),
    }
    measured = Journal("verify").measure(_IMAGE, ways)
    quickest = min(measured[_GZIP].median, measured[_ISAL].median)
    rows = [
        [name, str(each), f"**{each.median / quickest:.1f}×**"] for name, each in measured.items()
    ]
    text = _TEXT.format(
        image=_IMAGE,
        size=sum(map(_unpacked, layers)) / 1e6,
        programs=_programs(),
        table=table(["way", "seconds", "ratio"], rows),
    )
    write_section("Verifying every file", text)
    return 0


def _verify() -> list[str]:
    return [AMPHORA, "--store", str(STORE), "verify", _IMAGE, "--static", "--format", "json"]


def _programs() -> int:
    reports = json.loads(amphora("verify", _IMAGE, "--static", "--format", "json"))
    return sum(report["checked"]["programs"] for report in reports)


def _layers() -> list[Path]:
    """The layers of all variants, as files of the store."""
    blobs = STORE / "blobs/sha256"
    names = {
        each["name"]: each["digest"]
        for each in json.loads(amphora("image", "ls", "--format", "json"))
    }
    index = json.loads((blobs / _hex(names["docker.io/library/debian:trixie"])).read_bytes())
    manifests = [
        json.loads((blobs / _hex(each["digest"])).read_bytes()) for each in index["manifests"]
    ]
    return [blobs / _hex(layer["digest"]) for each in manifests for layer in each["layers"]]


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _gzip(layers: list[Path]) -> float:
    started = time.monotonic()
    for layer in layers:
        with layer.open("rb") as file:
            subprocess.run(["gzip", "-dc"], stdin=file, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


def _isal(layers: list[Path]) -> float:
    started = time.monotonic()
    for layer in layers:
        _unpacked(layer)
    return time.monotonic() - started


def _unpacked(layer: Path) -> int:
    """The bytes that a layer decompresses to."""
    size = 0
    with igzip.open(layer) as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
    return size


if __name__ == "__main__":
    sys.exit(main())
