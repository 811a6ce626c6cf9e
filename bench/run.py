"""`make bench`: runs every benchmark, ours and the peer's in one run, in turns."""

import shutil
import tempfile
from pathlib import Path

import example_build
from amphora.system.namespace import run_inside
from report import write_section

_TEXT = """`make bench` builds `examples/tally` from a Debian trixie base with gcc, without cache,
with Amphora and with Debian's buildah, both in the same namespaces under the same QEMU. The
times are medians of {runs} whole commands, the ratios those to buildah: below 1 Amphora is faster.

{example}"""


def main() -> int:
    work = Path(tempfile.mkdtemp(prefix="amphora-bench-", dir="/var/tmp"))
    try:
        example = example_build.run(work)
    finally:
        shutil.rmtree(work)
    write_section("The example image", _TEXT.format(runs=example_build.RUNS, example=example))
    return 0


if __name__ == "__main__":
    raise SystemExit(run_inside(main))
