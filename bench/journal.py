"""What a benchmark has found so far, on disk as soon as it is known.

A whole run takes hours. With BENCH_RESUME=1 one that was interrupted goes on where it
was; without, it begins anew, and what was found before is kept in a file beside.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from measure import RUNS, Measured
from workloads import SCRATCH

#: A way to do a piece of work; returns the seconds it took.
Way = Callable[[], float]


class Journal:
    """A file of JSON lines, each a key and a result."""

    def __init__(self, name: str) -> None:
        self._path = SCRATCH / f"{name}.jsonl"
        self._results: dict[str, list[Any]] = {}
        SCRATCH.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return
        if os.environ.get("BENCH_RESUME"):
            self._read()
        else:
            self._path.replace(SCRATCH / f"{name}.previous.jsonl")

    def results(self, key: str) -> list[Any]:
        """Those of the key, as they came."""
        return self._results.get(key, [])

    def add(self, key: str, result: Any) -> None:
        """Remember it, whatever happens next."""
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key, "result": result}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._results.setdefault(key, []).append(result)

    def measure(self, key: str, ways: Mapping[str, tuple[Way, int]]) -> dict[str, Measured]:
        """Take turns at ways to do one thing, each as often as its number says."""
        for number in range(RUNS):
            for name, (way, runs) in ways.items():
                if len(self.results(f"{key}, {name}")) <= number < runs:
                    seconds = way()
                    self.add(f"{key}, {name}", seconds)
                    print(f"{key}, {name}: {seconds:.2f} s", flush=True)
        return {name: Measured(self.results(f"{key}, {name}")) for name in ways}

    def _read(self) -> None:
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        # The last line may have been interrupted, too.
        os.truncate(self._path, len(whole))
        for entry in map(json.loads, whole.splitlines()):
            self._results.setdefault(entry["key"], []).append(entry["result"])
