"""`make same-bytes`: what handoff builds is, to the byte, what pure emulation builds.

Every workload is built in pure emulation and with handoff. If anything differs, it is built
in pure emulation once more, which tells what differs from one run to the next anyway.
Whatever differs beyond that is a defect.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

from amphora.core.platform import Platform
from journal import Journal
from layers import Comparison, compare
from measure import table
from report import write_section
from workloads import BASE, COMPARED, FOREIGN, STORE, Workload, build, chosen, create_base, prepare

_TEXT = """`make same-bytes` builds each workload for `{platform}` with `--handoff=off` and with
handoff, all with `SOURCE_DATE_EPOCH`, and compares the layers. Where they are not the same
already, their entries are compared: path, kind, mode, owner, time, extended attributes, content.
If any differ, the workload is built with `--handoff=off` once more, and entries that differ
between two runs of pure emulation are set aside, by name.

{table}"""

#: More names than these are counted by directory.
_NAMED = 12


def main(names: Sequence[str]) -> int:
    """Compare all workloads, or those with these names (then nothing is written)."""
    workloads = chosen(COMPARED, names)
    prepare(workloads)
    journal = Journal("same-bytes")
    results = {workload: _result(journal, workload) for workload in workloads}
    rows = [
        [workload.title, _counted(each.entries), _listed(each.varying), _listed(each.differing)]
        for workload, each in results.items()
    ]
    headings = ["workload", "entries", "differ in pure emulation too", "differ with handoff"]
    result = table(headings, rows)
    print(result)
    if not names:
        write_section("The same bytes", _TEXT.format(platform=FOREIGN, table=result))
    return 1 if any(each.differing for each in results.values()) else 0


def _result(journal: Journal, workload: Workload) -> Comparison:
    """What an interrupted run has found of it already, or what comparing shows now."""
    if not journal.results(workload.directory):
        journal.add(workload.directory, asdict(_compared(workload)))
    return Comparison(**journal.results(workload.directory)[0])


def _compared(workload: Workload) -> Comparison:
    off, again, exact = (_tag(workload, name) for name in ("off-1", "off-2", "exact"))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as builders:
        # The results are asked for, so that a failure is not lost.
        list(builders.map(partial(_build, workload), (off, exact), ("off", "exact")))
    platform = Platform.parse(FOREIGN)
    compared = compare(STORE, (off, off), exact, platform)
    if compared.differing:
        _build(workload, again, "off")
        compared = compare(STORE, (off, again), exact, platform)
    return compared


def _tag(workload: Workload, name: str) -> str:
    return f"same-{name}/debian:trixie" if workload is BASE else f"same/{workload.directory}:{name}"


def _build(workload: Workload, tag: str, handoff: str) -> None:
    if workload is BASE:
        create_base(FOREIGN, handoff, tag)
    else:
        build(workload, FOREIGN, handoff, "--tag", tag)


def _counted(entries: int) -> str:
    return f"{entries:,}" if entries else "the same layers"


def _listed(paths: Sequence[str]) -> str:
    """How many, and which; of a great many only the directories."""
    if not paths:
        return "none"
    if len(paths) <= _NAMED:
        return f"{len(paths)}: " + ", ".join(f"`{path}`" for path in paths)
    places = Counter("/".join(path.split("/")[:3]) for path in paths)
    return f"{len(paths)}: " + ", ".join(f"`{place}` {count}" for place, count in places.items())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
