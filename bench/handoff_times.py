"""`make bench-handoff`: the foreign half of a build, with handoff and in pure emulation.

What is compared is the time of the RUN steps themselves, natively, with handoff and in
pure emulation, taking turns; pure emulation takes minutes, so fewer of its runs do.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial

from journal import Journal, Way
from measure import PURE_RUNS, RUNS, Measured, table, warn_if_busy
from report import write_section
from workloads import (
    BASE,
    FOREIGN,
    MEASURED,
    NATIVE,
    Workload,
    build,
    chosen,
    create_base,
    prepare,
    seconds_of_runs,
)

_TEXT = """`make bench-handoff` builds each workload without cache from a Debian trixie base with
compilers: for `{native}`, which is this machine's own, and for `{foreign}`, with handoff and
with `--handoff=off`. The times are those of the RUN steps (of `base create`: of the whole
command), medians with the number of runs and their range; the ratios are to the native ones.

{table}"""

_WAYS = {"native": (NATIVE, "off"), "handoff": (FOREIGN, "exact"), "pure": (FOREIGN, "off")}


def main(names: Sequence[str]) -> int:
    """Measure all workloads, or those with these names (then nothing is written)."""
    workloads = chosen(MEASURED, names)
    warn_if_busy()
    journal = Journal("handoff-times")
    prepare(workloads)
    rows = [_row(workload.title, _measure(journal, workload)) for workload in workloads]
    headings = ["workload", "native", "handoff", "ratio", "pure emulation", "ratio"]
    result = table(headings, rows)
    print(result)
    if not names:
        write_section("Handoff", _TEXT.format(native=NATIVE, foreign=FOREIGN, table=result))
    return 0


def _measure(journal: Journal, workload: Workload) -> Mapping[str, Measured]:
    seconds = _seconds_of_base if workload is BASE else partial(_seconds, workload)
    ways: dict[str, Way] = {name: partial(seconds, *way) for name, way in _WAYS.items()}
    runs = {"native": RUNS, "handoff": RUNS, "pure": min(PURE_RUNS, RUNS)}
    if len(journal.results(f"{workload.directory}, handoff")) < RUNS:
        ways["handoff"]()  # fetches the counterparts, which are kept
    return journal.measure(
        workload.directory, {name: (way, runs[name]) for name, way in ways.items()}
    )


def _row(title: str, measured: Mapping[str, Measured]) -> list[str]:
    native, handoff, pure = measured["native"], measured["handoff"], measured["pure"]
    return [title, str(native), *_cells(handoff, native), *_cells(pure, native)]


def _cells(measured: Measured, native: Measured) -> tuple[str, str]:
    return str(measured), f"**{measured.median / native.median:.2f}×**"


def _seconds(workload: Workload, platform: str, handoff: str) -> float:
    return seconds_of_runs(build(workload, platform, handoff))


def _seconds_of_base(platform: str, handoff: str) -> float:
    started = time.monotonic()
    create_base(platform, handoff, "bench/debian:trixie")
    return time.monotonic() - started


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
