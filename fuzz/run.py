"""`make fuzz`: every target of `targets`, or those named, for RUNS inputs each.

Each runs in a fork of its own, guided by the coverage of amphora's code, and goes on with what
earlier runs have learnt (`.fuzz/corpus`). An input that is a defect is kept in `.fuzz/found`.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["amphora"]):
    from targets import TARGETS

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".fuzz"

#: Seconds for one input: what takes longer hangs.
_TIMEOUT = 20
_LONGEST = 4096
#: Files that a target begins with.
_SEEDS = {
    "dockerfile": "tests/conformance/cases/*/*/Dockerfile",
}


def fuzz_all(names: Sequence[str], runs: int) -> int:
    """Fuzz targets one after the other and say how many inputs each took; returns a status."""
    failed, total, started = [], 0, time.monotonic()
    for name in names:
        before = time.monotonic()
        status, said = _fuzz_apart(name, runs)
        executed = int(_statistic(said, "number_of_executed_units"))
        total += executed
        seconds = time.monotonic() - before
        print(f"{name}: {executed} inputs in {seconds:.0f} s, exit {status}", flush=True)
        if status:
            failed.append(name)
            print("\n".join(said.splitlines()[-40:]), flush=True)
    took = time.monotonic() - started
    print(f"{total} inputs in {took:.0f} s; defects in: {', '.join(failed) or 'none'}")
    return int(bool(failed))


def _fuzz_apart(name: str, runs: int) -> tuple[int, str]:
    corpus, found = PLACE / "corpus" / name, PLACE / "found"
    for directory in (corpus, found):
        directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = (
        *(f"-runs={runs}", f"-timeout={_TIMEOUT}", f"-max_len={_LONGEST}", "-rss_limit_mb=2048"),
        *(f"-artifact_prefix={found}/{name}-", "-print_final_stats=1", str(corpus)),
    )
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            atheris.Setup([sys.argv[0], *options], TARGETS[name])
            atheris.Fuzz()  # libFuzzer ends the process
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        log.seek(0)
        return status, log.read().decode(errors="replace")


def _seeds(name: str) -> Iterator[bytes]:
    for path in sorted(ROOT.glob(_SEEDS[name])) if name in _SEEDS else ():
        yield path.read_bytes()


def _statistic(said: str, name: str) -> str:
    found = re.search(rf"stat::{name}:\s+(\d+)", said)
    return found[1] if found else "0"


if __name__ == "__main__":
    sys.exit(fuzz_all(sys.argv[1:] or list(TARGETS), int(os.environ.get("RUNS", "100000"))))
