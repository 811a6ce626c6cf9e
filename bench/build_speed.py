"""`make bench-build`: what a builder itself takes, beside the programs that it runs.

Builds of which everything is remembered, copies, exports: the same work by Amphora and by
docker's BuildKit, in turns, each as the whole command that a person would type. And the
memory that a large layer takes.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from amphora.core.errors import EXIT_INTERRUPTED
from example_build import EXAMPLE, scratch, served_base
from journal import Journal
from measure import RUNS, Measured, table, timed, warn_if_busy
from report import write_section
from rivals import AbsentError, BuildKit
from workloads import AMPHORA, FOREIGN, NATIVE, STORE, have_base

_BOTH = f"{NATIVE},{FOREIGN}"
_MEGABYTE = 1 << 20

_TEXT = """`make bench-build` takes whole commands, for two platforms at once: Amphora, and docker's
BuildKit with containerd's image store. Medians; the ratio is Amphora's to BuildKit's, and
below 1 where Amphora is quicker.

{table}
A build of `FROM scratch` and `COPY` of one file of 2 GB took at most {memory} MB of memory in
any process (resident, as the kernel counts it)."""


@dataclass(frozen=True)
class Task:
    """`fill` makes the context; `cached`: everything was built before and is not again.

    `export` writes an OCI archive as well.
    """

    title: str
    fill: Callable[[Path], None]
    most: float
    cached: bool = False
    export: bool = False


def _example(context: Path) -> None:
    shutil.copytree(EXAMPLE, context, dirs_exist_ok=True)


def _files(count: int, size: int, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY data /data\n")
    (context / "data").mkdir()
    for number in range(count):
        content = random.Random(number).randbytes(size)
        (context / f"data/{number}").write_bytes(content)


def _stages(context: Path) -> None:
    lines = ["FROM scratch AS stage0", "COPY Dockerfile /file0"]
    for number in range(1, 100):
        before = number - 1
        lines += [
            f"FROM scratch AS stage{number}",
            f"COPY --from=stage{before} /file{before} /file{number}",
        ]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")


_SMALL = partial(_files, 200, 200_000)

TASKS = (
    Task("`examples/tally` again, everything cached", _example, 1.0, cached=True),
    Task("COPY of 200 files, 40 MB, without cache", _SMALL, 0.5),
    Task("the same, cached, into an OCI archive", _SMALL, 0.3, cached=True, export=True),
    Task("100 stages that copy from each other, cached", _stages, 1.0, cached=True),
    Task(
        "COPY of 1,000 files, 1 GB, nothing changed",
        partial(_files, 1000, _MEGABYTE),
        1.0,
        cached=True,
    ),
)


def main() -> int:
    """Measure, and write the section of the report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    warn_if_busy()
    have_base()
    journal = Journal("build-speed")
    try:
        with ExitStack() as stack:
            work = stack.enter_context(scratch())
            base = stack.enter_context(served_base(work))
            rows = [_row(task, _measure(journal, task, work, base)) for task in TASKS]
            memory = _memory(work)
    except AbsentError as error:
        raise SystemExit(f"there is nothing to compare with: {error}") from error
    headings = ["build", "Amphora", "BuildKit", "ratio", "at most"]
    write_section(
        "What the builder takes", _TEXT.format(table=table(headings, rows), memory=memory)
    )
    return 0


def _row(task: Task, measured: Mapping[str, Measured]) -> Sequence[str]:
    ours, theirs = measured["Amphora"], measured["BuildKit"]
    ratio = f"**{ours.median / theirs.median:.2f}×**"
    return [task.title, str(ours), str(theirs), ratio, f"{task.most}×"]


def _measure(journal: Journal, task: Task, work: Path, base: str) -> Mapping[str, Measured]:
    with tempfile.TemporaryDirectory(dir=work) as directory:
        context = Path(directory)
        task.fill(context)
        options = () if task.cached else ("--no-cache",)
        with BuildKit(base, context) as rival:
            theirs = partial(rival.build, _BOTH, *options, *_output(task, Path("/tmp")))
            ours = partial(_build, context, *options, *_output(task, work))
            if task.cached:
                ours()
                theirs()
            ways = {"Amphora": (ours, RUNS), "BuildKit": (theirs, RUNS)}
            return journal.measure(task.title, ways)


def _output(task: Task, directory: Path) -> Sequence[str]:
    if not task.export:
        return ()
    return ("--output", f"type=oci,dest={directory / f'bench-{os.getpid()}.tar'}")


def _build(context: Path, *options: str) -> float:
    platforms = ("--platform", _BOTH, "--quiet")
    return timed([AMPHORA, "--store", str(STORE), "build", *platforms, *options, str(context)])


def _memory(work: Path) -> int:
    """Megabytes of the largest process of a build with a large file."""
    with tempfile.TemporaryDirectory(dir=work) as directory:
        context = Path(directory)
        (context / "Dockerfile").write_text("FROM scratch\nCOPY large /\n")
        block = random.Random(0).randbytes(_MEGABYTE)
        with (context / "large").open("wb") as file:
            for number in range(2048):
                file.write(number.to_bytes(8) + block[8:])
        command = [AMPHORA, "--store", str(STORE), "build", "--no-cache", "--quiet", directory]
        report = work / "memory"
        subprocess.run(
            [sys.executable, "-c", _PEAK, str(report), *command],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return int(report.read_text()) // 1024


#: Writes the kilobytes of the largest of a command's processes, all waited for, to a file.
_PEAK = """
import pathlib, resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
pathlib.Path(sys.argv[1]).write_text(str(peak))
"""


if __name__ == "__main__":
    raise SystemExit(main())
