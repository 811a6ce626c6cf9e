"""The workloads that handoff is measured and compared with: build contexts in `handoff/`.

A store of the benchmarks' own, kept between runs, holds what they start from: a Debian
base with compilers, and Debian's source packages.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AMPHORA = str(Path(sys.executable).with_name("amphora"))
CONTEXTS = Path(__file__).with_name("handoff")
NATIVE, FOREIGN = "linux/amd64", "linux/arm64"

#: Where the store is, and how often things are measured: the environment may say otherwise.
SCRATCH = Path(os.environ.get("BENCH_SCRATCH", "/var/tmp/amphora-bench"))
STORE = SCRATCH / "store"

_BASE = ("base", "create", "debian:trixie", "--include", "gcc,g++,libc6-dev,make")
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

MEASURED = (HELLO, PIPES, LUA, ZLIB, SQLITE, PACKAGES, GO)
COMPARED = (*MEASURED, COMPILERS)


def amphora(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run it on the benchmarks' store, insisting on success; returns what it printed."""
    done = subprocess.run(
        [AMPHORA, "--store", str(STORE), *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"amphora {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def prepare(workloads: Sequence[Workload]) -> None:
    """Have the base images that they start from, for both platforms."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    here = {image["name"] for image in json.loads(amphora("image", "ls", "--format", "json"))}
    both = ("--platform", f"{NATIVE},{FOREIGN}")
    if "docker.io/library/debian:trixie" not in here:
        amphora(*_BASE, *both)
    needed = {_first_from(workload) for workload in workloads}
    for name in needed:
        if f"docker.io/{name}:latest" not in here:
            amphora("build", *both, "--tag", name, str(CONTEXTS / _PREPARED[name]))


def build(workload: Workload, platform: str, handoff: str, *more: str) -> dict[str, Any]:
    """Execute every step of it; returns what the build reported."""
    options = ("--platform", platform, "--handoff", handoff, "--no-cache", "--format", "json")
    context = str(CONTEXTS / workload.directory)
    report: dict[str, Any] = json.loads(
        amphora("build", *options, *more, context, environment={"SOURCE_DATE_EPOCH": "1700000000"})
    )
    return report


def seconds_of_runs(report: Mapping[str, Any]) -> float:
    """What its RUN instructions took."""
    return sum(float(step["seconds"]) for step in report["steps"] if "] RUN " in step["title"])


def chosen(workloads: Sequence[Workload], names: Sequence[str]) -> Sequence[Workload]:
    """Those with the names, or all."""
    return [each for each in workloads if not names or each.directory in names]


def _first_from(workload: Workload) -> str:
    lines = (CONTEXTS / workload.directory / "Dockerfile").read_text().splitlines()
    return next(line.removeprefix("FROM ") for line in lines if line.startswith("FROM "))
