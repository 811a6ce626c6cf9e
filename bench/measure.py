"""Timing commands: several runs, interleaved by the caller, medians and ratios."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Measured:
    """Seconds of each run of one thing."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def timed(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Run a command, insisting on success; returns the seconds it took by the wall clock."""
    started = time.monotonic()
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout.decode()}{done.stderr.decode()}")
    return seconds


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
