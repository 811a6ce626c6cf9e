"""The workloads that handoff is measured and compared with: build contexts in `handoff/`.

A store of the benchmarks' own, kept between runs, holds what they start from: a Debian
base with compilers, and Debian's source packages.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import output

AMPHORA = str(Path(sys.executable).with_name("amphora"))
CONTEXTS = Path(__file__).with_name("handoff")
NATIVE, FOREIGN = "linux/amd64", "linux/arm64"

#: Where the store is: the environment may say otherwise.
SCRATCH = Path(os.environ.get("BENCH_SCRATCH", "/var/tmp/amphora-bench"))
STORE = SCRATCH / "store"

_BASE = ("base", "create", "debian:trixie", "--include", "gcc,g++,libc6-dev,make")
_BOTH = ("--platform", f"{NATIVE},{FOREIGN}")
_PREPARED = {"bench/sources": "sources", "bench/golang": "golang"}


@dataclass(frozen=True)
class Workload:
    """A directory of `handoff/`, and what the report calls it."""

    directory: str
    title: str


HELLO = Workload("hello", "GNU hello 2.10: `./configure && make`")
PIPES = Workload("pipes", "1,000 × a shell pipe of four processes")
LUA = Workload("lua", "Lua 5.4: `make linux`")
ZLIB = Workload("zlib", "zlib: `./configure && make`")
SQLITE = Workload("sqlite", "SQLite's amalgamation, `-O2`")
PACKAGES = Workload("packages", "`apt-get update && apt-get install -y git python3-minimal`")
GO = Workload("go", "a Go program of three modules")
COMPILERS = Workload("compilers", "C and C++ in all the ways compilers can be called")
#: Not a build: it has a way of its own.
BASE = Workload("base", "`base create debian:trixie --include gcc,make`")

MEASURED = (HELLO, PIPES, LUA, ZLIB, SQLITE, PACKAGES, GO, BASE)
COMPARED = (*MEASURED, COMPILERS)


def amphora(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run it on the benchmarks' store, insisting on success; returns what it printed."""
    return output([AMPHORA, "--store", str(STORE), *arguments], environment)


def prepare(workloads: Sequence[Workload]) -> None:
    """Have the base images that they start from, for both platforms."""
    needed = {_first_from(workload) for workload in workloads if workload is not BASE}
    if needed:
        have_base()
    for name in sorted(needed & {*_PREPARED}):
        if f"docker.io/{name}:latest" not in _image_names():
            amphora("build", *_BOTH, "--tag", name, str(CONTEXTS / _PREPARED[name]))


def have_base() -> None:
    """Have the base image that everything starts from, for both platforms."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    if "docker.io/library/debian:trixie" not in _image_names():
        amphora(*_BASE, *_BOTH)


def _image_names() -> set[str]:
    return {image["name"] for image in json.loads(amphora("image", "ls", "--format", "json"))}


def build(workload: Workload, platform: str, handoff: str, *more: str) -> dict[str, Any]:
    """Execute every step of it; returns what the build reported."""
    options = ("--platform", platform, "--handoff", handoff, "--no-cache", "--format", "json")
    context = str(CONTEXTS / workload.directory)
    report: dict[str, Any] = json.loads(
        amphora("build", *options, *more, context, environment={"SOURCE_DATE_EPOCH": "1700000000"})
    )
    return report


def create_base(platform: str, handoff: str, name: str) -> None:
    """Make the image of BASE under a name that ends in debian:trixie."""
    what = ("base", "create", name, "--include", "gcc,make", "--platform", platform)
    amphora(*what, "--handoff", handoff, environment={"SOURCE_DATE_EPOCH": "1700000000"})


def seconds_of_runs(report: Mapping[str, Any]) -> float:
    """What its RUN instructions took."""
    return sum(float(step["seconds"]) for step in report["steps"] if "] RUN " in step["title"])


def chosen(workloads: Sequence[Workload], names: Sequence[str]) -> Sequence[Workload]:
    """Those with the names, or all; insists that there are such."""
    known = [each.directory for each in workloads]
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no workload is called {', '.join(unknown)}: {', '.join(known)}")
    return [each for each in workloads if not names or each.directory in names]


def _first_from(workload: Workload) -> str:
    lines = (CONTEXTS / workload.directory / "Dockerfile").read_text().splitlines()
    return next(line.removeprefix("FROM ") for line in lines if line.startswith("FROM "))
