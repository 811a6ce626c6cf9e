"""`make bench`: the example image, built by Amphora, by buildah and by BuildKit.

All build from the same base, without cache, for one platform and for two at once, taking
turns; the rivals with the QEMU that Amphora uses. What is timed is the whole command, as
a person would type it.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from amphora.core.errors import EXIT_INTERRUPTED
from journal import Journal
from measure import PURE_RUNS, RUNS, Measured, table, timed, warn_if_busy
from report import write_section
from rivals import AbsentError, Buildah, BuildKit, run_inside_namespaces
from workloads import AMPHORA, FOREIGN, NATIVE, STORE, amphora, have_base

EXAMPLE = Path(__file__).parents[1] / "examples/tally"

#: What is built at once, and how often by those who leave the foreign half to QEMU.
_TARGETS = {NATIVE: RUNS, FOREIGN: PURE_RUNS, f"{NATIVE},{FOREIGN}": PURE_RUNS}
_OURS, _OFF = "amphora", "amphora `--handoff=off`"

_TEXT = """`make bench` builds `examples/tally` (a small C library, a program, tests) from a Debian
trixie base with compilers, without cache, with Amphora, with Debian's buildah and with
docker's BuildKit, the rivals with plain QEMU, the same that Amphora uses. The seconds are
medians of whole commands; the ratio says how many times as long as Amphora they take.

{table}"""

#: Builds the example for platforms (comma-separated); returns the seconds it took.
Builder = Callable[[str], float]


def main() -> int:
    """Measure, and write the section of the report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    warn_if_busy()
    have_base()
    journal = Journal("example-build")
    rows: list[list[str]] = []
    with ExitStack() as stack:
        builders, absent = _builders(stack)
        for platforms, pure_runs in _TARGETS.items():
            ways = {
                name: (partial(builder, platforms), RUNS if name == _OURS else pure_runs)
                for name, builder in builders.items()
            }
            rows += _rows(platforms, journal.measure(platforms, ways), absent)
    headings = ["for", "built by", "seconds", "ratio"]
    write_section("The example image", _TEXT.format(table=table(headings, rows)))
    return 0


def _rows(
    platforms: str, measured: Mapping[str, Measured], absent: Mapping[str, str]
) -> Iterator[list[str]]:
    title = f"`{platforms}`"
    for name, each in measured.items():
        ratio = f"**{each.median / measured[_OURS].median:.1f}×**"
        yield [title, name, str(each), "" if name == _OURS else ratio]
    for name, reason in absent.items():
        yield [title, name, f"not measured here: {reason}", ""]


def _builders(stack: ExitStack) -> tuple[dict[str, Builder], dict[str, str]]:
    """Those that are here, ready to build, and the names of others with why they are not."""
    work = stack.enter_context(scratch())
    base = stack.enter_context(served_base(work))
    builders: dict[str, Builder] = {
        _OURS: partial(_build, "exact"),
        _OFF: partial(_build, "off"),
        "buildah": Buildah(work, base, EXAMPLE).build,
    }
    builders[_OURS](FOREIGN)  # fetches the counterparts, which are kept
    try:
        rival = stack.enter_context(BuildKit(base, EXAMPLE))
        builders["BuildKit"] = partial(_build_with, rival)
    except AbsentError as error:
        return builders, {"BuildKit": str(error)}
    return builders, {}


def _build_with(rival: BuildKit, platforms: str) -> float:
    return rival.build(platforms, "--no-cache")


def _build(handoff: str, platforms: str) -> float:
    options = ("--platform", platforms, "--no-cache", "--quiet", "--handoff", handoff)
    return timed([AMPHORA, "--store", str(STORE), "build", *options, str(EXAMPLE)])


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory; what is in it may belong to users that there are only in namespaces."""
    work = Path(tempfile.mkdtemp(prefix="amphora-bench-", dir="/var/tmp"))
    try:
        yield work
    finally:
        run_inside_namespaces(["rm", "-rf", str(work)])


@contextmanager
def served_base(work: Path) -> Iterator[str]:
    """The base image, for both platforms, in a registry on this machine; yields its name."""
    command = [AMPHORA, "--registry-store", str(work / "registry"), "registry", "serve"]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            name = f"localhost:{server.stdout.readline().strip().rpartition(':')[2]}/base"
            (work / "Dockerfile").write_text("FROM debian:trixie\n")
            both = ("--platform", f"{NATIVE},{FOREIGN}")
            amphora("build", *both, "--tag", name, "--push", "--quiet", str(work))
            yield name
        finally:
            server.terminate()


if __name__ == "__main__":
    raise SystemExit(main())
