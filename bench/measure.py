"""Timing commands: several runs, interleaved by the caller, medians and ranges."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: How often things are measured: in pure emulation, which takes minutes, less often.
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
PURE_RUNS = int(os.environ.get("BENCH_PURE_RUNS", "1"))

#: A machine with more running programs than this, on average, is busy with something else.
_QUIET = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each run of one thing; at least one."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """The median, and what it is the median of."""
        if len(self.seconds) == 1:
            return f"{self.median:.2f} s (1 run)"
        smallest, largest = min(self.seconds), max(self.seconds)
        return f"{self.median:.2f} s ({len(self.seconds)} runs, {smallest:.2f} to {largest:.2f})"


def timed(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Run a command, insisting on success; returns the seconds it took by the wall clock."""
    started = time.monotonic()
    output(command, environment)
    return time.monotonic() - started


def output(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command, insisting on success; returns what it printed."""
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def warn_if_busy() -> None:
    """Say so when other programs of this machine would be measured, too."""
    load = os.getloadavg()[0]
    if load > _QUIET:
        print(
            f"warning: this machine is busy (load average {load:.2f}): the times will be "
            "too long, and not all by the same factor",
            file=sys.stderr,
        )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def machine() -> str:
    """One line about what the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    cpu = next(models, platform.machine())
    return f"{len(os.sched_getaffinity(0))} × {cpu}, Linux {platform.release().partition('-')[0]}"
