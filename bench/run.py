"""`make bench`: runs every benchmark, ours and the peer's in one run, and writes the report."""

import datetime
import shutil
import tempfile
from pathlib import Path

import example_build
from amphora.system.namespace import run_inside
from measure import machine

REPORT = Path(__file__).parents[1] / "docs/benchmarks.md"

_HEAD = """# Benchmarks

Written by `make bench`, which runs each piece of work on Amphora and on a peer, in turns,
on one machine. Only the ratios mean anything on another machine; below 1 Amphora is faster.

Measured {date} on {machine}.

## The example image

`examples/hello` from a Debian trixie base with gcc, without cache, medians of {runs} whole
commands, both in the same namespaces under the same QEMU:

{example}"""


def main() -> int:
    work = Path(tempfile.mkdtemp(prefix="amphora-bench-", dir="/var/tmp"))
    try:
        example = example_build.run(work)
    finally:
        shutil.rmtree(work)
    report = _HEAD.format(
        date=datetime.date.today().isoformat(),
        machine=machine(),
        runs=example_build.RUNS,
        example=example,
    )
    REPORT.write_text(report)
    print(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_inside(main))
