"""Limits of a control group, and the files of either version that they are written to.

https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from msgspec import Struct

from amphora.system.cgroup_places import Place, places

#: Of how many microseconds a group may use how many; the kernel's usual period.
_PERIOD = 100_000

#: Not every kernel accounts for swap.
_MAY_LACK = frozenset({"memory.swap.max", "memory.memsw.limit_in_bytes"})

#: What controllers limit, in a word.
MEANINGS = {"memory": "memory", "cpu": "CPUs", "pids": "processes"}


class Limits(Struct, frozen=True):
    """The most of everything, in bytes, CPUs and processes; None is no limit."""

    memory: int | None = None
    cpus: float | None = None
    processes: int | None = None

    @property
    def controllers(self) -> list[str]:
        """Those that are needed for it."""
        wanted = (("memory", self.memory), ("cpu", self.cpus), ("pids", self.processes))
        return [controller for controller, limit in wanted if limit is not None]


def by_place(limits: Limits) -> tuple[Mapping[Place, list[str]], Sequence[str]]:
    """The controllers that are needed, by the hierarchies that have them; those that none has."""
    known = places()
    found: dict[Place, list[str]] = {}
    for controller in limits.controllers:
        if controller in known:
            found.setdefault(known[controller], []).append(controller)
    return found, [controller for controller in limits.controllers if controller not in known]


def write_limits(group: Path, version: int, limits: Limits, controllers: Sequence[str]) -> None:
    """Give a group the limits of these controllers; raises OSError."""
    settings = _first_version(limits) if version == 1 else _second_version(limits)
    for controller in controllers:
        for name, value in settings[controller].items():
            with suppress(FileNotFoundError) if name in _MAY_LACK else ExitStack():
                (group / name).write_text(value)


def _first_version(limits: Limits) -> Mapping[str, Mapping[str, str]]:
    """Files of a group and what is written to them, in this order, by controller."""
    memory, quota = f"{limits.memory}", f"{_quota(limits)}"
    return {
        # Memory and swap together have no more, so that the limit is one.
        "memory": {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
        "cpu": {"cpu.cfs_period_us": f"{_PERIOD}", "cpu.cfs_quota_us": quota},
        "pids": {"pids.max": f"{limits.processes}"},
    }


def _second_version(limits: Limits) -> Mapping[str, Mapping[str, str]]:
    return {
        "memory": {"memory.max": f"{limits.memory}", "memory.swap.max": "0"},
        "cpu": {"cpu.max": f"{_quota(limits)} {_PERIOD}"},
        "pids": {"pids.max": f"{limits.processes}"},
    }


def _quota(limits: Limits) -> int:
    return int((limits.cpus or 0) * _PERIOD)
