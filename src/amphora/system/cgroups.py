"""Control groups: what all processes of a container may take of memory, CPU and PIDs together.

Of version 2 inside a group that was delegated to us: one that we may write to and that nobody
but us is in, since a group that has processes gives no controllers to others; root may make one
at the top. Of version 1, where a controller is of that, root may make one inside our own.
https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from amphora.system.cgroup_places import Place, places

#: Of how many microseconds a group may use how many; the kernel's usual period.
_PERIOD = 100_000

#: What our groups are called: this and our PID.
_PREFIX = "amphora-"

_MEANINGS = {"memory": "memory", "cpu": "CPUs", "pids": "processes"}

#: Not every kernel accounts for swap.
_MAY_LACK = frozenset({"memory.swap.max", "memory.memsw.limit_in_bytes"})

_PROCESSES = "cgroup.procs"


class Limits(Struct, frozen=True):
    """The most of everything, in bytes, CPUs and processes; None is no limit."""

    memory: int | None = None
    cpus: float | None = None
    processes: int | None = None


class Group(Struct, frozen=True):
    """Groups that processes are put into when they start; descriptors outlive namespaces."""

    inside: Sequence[int]
    outside: Sequence[int]

    @contextmanager
    def joined(self) -> Iterator[None]:
        """This process is in the groups meanwhile, and what it starts stays there."""
        try:
            for descriptor in self.inside:
                os.write(descriptor, b"0")
            yield
        finally:
            for descriptor in self.outside:
                os.write(descriptor, b"0")


@contextmanager
def limited(limits: Limits, say: Callable[[str], None]) -> Iterator[Group | None]:
    """A group with these limits; None if there are none, or none that can be kept.

    To be entered by a process of one thread, before it makes namespaces: it is put into another
    group itself. `say` is told of what cannot be limited here, and why.
    """
    with ExitStack() as stack:
        inside: list[int] = []
        outside: list[int] = []
        for place, controllers in _by_place(limits, say).items():
            try:
                groups = _divided(place, limits, controllers, stack)
                for group, descriptors in zip(groups, (inside, outside), strict=True):
                    opened = os.open(group / _PROCESSES, os.O_WRONLY | os.O_CLOEXEC)
                    stack.callback(os.close, opened)
                    descriptors.append(opened)
            except OSError as error:
                del inside[len(outside) :]
                where = error.filename or place.own
                say(_not_limited(controllers, f"{where}: {str(error.strerror).lower()}"))
        yield Group(inside, outside) if inside else None


def _by_place(limits: Limits, say: Callable[[str], None]) -> Mapping[Place, list[str]]:
    """The controllers that are needed, by the hierarchies that have them."""
    wanted = (("memory", limits.memory), ("cpu", limits.cpus), ("pids", limits.processes))
    known = places()
    found: dict[Place, list[str]] = {}
    for controller, limit in wanted:
        if limit is not None and controller in known:
            found.setdefault(known[controller], []).append(controller)
        elif limit is not None:
            say(_not_limited([controller], "no hierarchy of control groups here has that"))
    return found


def _divided(
    place: Place, limits: Limits, controllers: Sequence[str], stack: ExitStack
) -> tuple[Path, Path]:
    """The group with the limits, and the one for us; raises OSError where nothing is ours."""
    if place.version == 1:
        group = _made(place.own, stack)
        _write(group, _first_version(limits), controllers)
        return group, place.own
    if (place.own / _PROCESSES).read_text().split() == [str(os.getpid())]:
        # It goes with the group that was delegated, which whoever did that removes.
        ours, parent = place.own / f"{_PREFIX}{os.getpid()}-outside", place.own
        ours.mkdir()
        (ours / _PROCESSES).write_text("0")
    else:
        ours, parent = place.own, place.top
    wanted = " ".join(f"+{controller}" for controller in controllers)
    (parent / "cgroup.subtree_control").write_text(wanted)
    group = _made(parent, stack)
    _write(group, _second_version(limits), controllers)
    return group, ours


def _made(parent: Path, stack: ExitStack) -> Path:
    """A group of our own; those that killed processes left are removed on the way."""
    for left in parent.glob(f"{_PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(_PREFIX)).exists():
            _remove(left)
    group = parent / f"{_PREFIX}{os.getpid()}"
    group.mkdir()
    stack.callback(_remove, group)
    return group


def _write(
    group: Path, settings: Mapping[str, Mapping[str, str]], controllers: Sequence[str]
) -> None:
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


def _remove(group: Path) -> None:
    """Not if somebody is in it."""
    with suppress(OSError):
        group.rmdir()


def _not_limited(controllers: Sequence[str], why: str) -> str:
    """One line: what is not limited, why, and what would change that."""
    what = " and ".join(_MEANINGS[controller] for controller in controllers)
    user = "" if os.geteuid() == 0 else "--user "
    return (
        f"{what} of the container cannot be limited: {why}; "
        f"systemd-run {user}--scope -p Delegate=yes amphora run … has a group of its own"
    )
