"""`make bench-handoff`: the foreign half of a build, with handoff and in pure emulation.

What is compared is the time of the RUN steps themselves, natively, with handoff and in
pure emulation, taking turns; pure emulation takes minutes, so fewer of its runs do.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from measure import Measured, table, timed
from report import write_section
from workloads import (
    AMPHORA,
    FOREIGN,
    MEASURED,
    NATIVE,
    SCRATCH,
    Workload,
    build,
    chosen,
    prepare,
    seconds_of_runs,
)

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
PURE_RUNS = int(os.environ.get("BENCH_PURE_RUNS", "1"))

_TEXT = """`make bench-handoff` builds each workload without cache from a Debian trixie base with
compilers: for `{native}`, which is this machine's own, and for `{foreign}`, with handoff and
with `--handoff=off`. The times are those of the RUN steps, medians of {runs} runs
(of pure emulation: {pure_runs}), the ratios to the native ones.

{table}"""

#: A way to do a piece of work; returns the seconds it took.
Way = Callable[[], float]


def main(names: Sequence[str]) -> int:
    """Measure all workloads, or those with these names (then nothing is written)."""
    workloads = chosen(MEASURED, names)
    prepare(workloads)
    rows = [
        _row(workload.title, *(partial(_seconds, workload, *way) for way in _WAYS))
        for workload in workloads
    ]
    if not names or "base" in names:
        ways = (partial(_create_base, NATIVE), None, partial(_create_base, FOREIGN))
        rows.append(_row("`base create debian:trixie --include gcc,make`", *ways))
    headings = ["workload", "native", "handoff", "ratio", "pure emulation", "ratio"]
    result = table(headings, rows)
    print(result)
    if not names:
        facts = {"native": NATIVE, "foreign": FOREIGN, "runs": RUNS, "pure_runs": PURE_RUNS}
        write_section("Handoff", _TEXT.format(**facts, table=result))
    return 0


_WAYS = ((NATIVE, "off"), (FOREIGN, "exact"), (FOREIGN, "off"))


def _row(title: str, native_way: Way, handoff_way: Way | None, pure_way: Way) -> list[str]:
    native, handoff, pure = Measured("native"), Measured("handoff"), Measured("pure")
    if handoff_way:
        handoff_way()  # fetches the counterparts, which are kept
    for number in range(RUNS):
        native.seconds.append(native_way())
        if handoff_way:
            handoff.seconds.append(handoff_way())
        if number < PURE_RUNS:
            pure.seconds.append(pure_way())
    return [title, f"{native.median:.2f} s", *_cells(handoff, native), *_cells(pure, native)]


def _cells(measured: Measured, native: Measured) -> tuple[str, str]:
    if not measured.seconds:
        return "", ""
    return f"{measured.median:.2f} s", f"**{measured.median / native.median:.2f}×**"


def _seconds(workload: Workload, platform: str, handoff: str) -> float:
    return seconds_of_runs(build(workload, platform, handoff))


def _create_base(platform: str) -> float:
    """In a store of its own: the benchmarks' base has the same name."""
    store = ("--store", str(SCRATCH / "base-store"))
    what = ("base", "create", "debian:trixie", "--include", "gcc,make", "--platform", platform)
    return timed([AMPHORA, *store, *what])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
