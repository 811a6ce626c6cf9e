"""Control groups: what all processes of a container may take of memory and CPU together.

Version 2 of them, inside a group that was delegated to us: one that we may write to and
that nobody but us is in, since a group that has processes gives no controllers to others.
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from amphora.core.errors import ContainerError

#: Of how many microseconds a group may use how many; the kernel's usual period.
_PERIOD = 100_000


@dataclass(frozen=True, slots=True)
class Group:
    """A group that processes are put into when they start; its descriptors outlive namespaces."""

    inside: int
    outside: int

    @contextmanager
    def joined(self) -> Iterator[None]:
        """This process is in the group meanwhile, and what it starts stays there."""
        os.write(self.inside, b"0")
        try:
            yield
        finally:
            os.write(self.outside, b"0")


@contextmanager
def limited(*, memory: int | None, cpus: float | None) -> Iterator[Group | None]:
    """A group with these limits, in bytes and CPUs; None if there are none to keep.

    To be entered by a process of one thread, before it makes namespaces: it is put into another
    group itself. Raises ContainerError where nothing was delegated.
    """
    wanted = _settings(memory, cpus)
    if not wanted:
        yield None
        return
    own = _own_group()
    _check(own, {name.partition(".")[0] for name in wanted})
    with ExitStack() as stack:
        try:
            group = _divided(own, wanted, stack)
        except OSError as error:
            raise _not_delegated(f"{error.filename or own}: {error.strerror}") from error
        yield group


def given_controllers() -> frozenset[str] | None:
    """The controllers that this process's group may hand on; None without groups of version 2."""
    try:
        return frozenset((_own_group() / "cgroup.controllers").read_text().split())
    except (ContainerError, OSError):
        return None


def _settings(memory: int | None, cpus: float | None) -> Mapping[str, str]:
    """Files of a group, and what is written to them."""
    settings: dict[str, str] = {}
    if memory is not None:
        # No swap beside it, so that the limit is one.
        settings |= {"memory.max": f"{memory}", "memory.swap.max": "0"}
    if cpus is not None:
        settings["cpu.max"] = f"{int(cpus * _PERIOD)} {_PERIOD}"
    return settings


def _own_group() -> Path:
    """The directory of the group that this process is in."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    mounts = (line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    place = next((left.split()[4] for left, right in mounts if right.startswith("cgroup2 ")), None)
    if own is None or place is None:
        raise _not_delegated("this machine has no control groups of version 2")
    return Path(place) / own.lstrip("/")


def _check(own: Path, wanted: set[str]) -> None:
    given = (own / "cgroup.controllers").read_text().split()
    lacking = sorted(wanted.difference(given))
    if lacking:
        raise _not_delegated(f"the group {own} was not given the controller {lacking[0]}")
    if (own / "cgroup.procs").read_text().split() != [str(os.getpid())]:
        raise _not_delegated(f"other processes are in the group {own} as well")


def _divided(own: Path, settings: Mapping[str, str], stack: ExitStack) -> Group:
    """One group for us, and beside it the one with the limits."""
    name = secrets.token_hex(4)
    ours, limits = own / f"amphora-{name}", own / f"container-{name}"
    ours.mkdir()
    (ours / "cgroup.procs").write_text("0")
    controllers = {f"+{setting.partition('.')[0]}" for setting in settings}
    (own / "cgroup.subtree_control").write_text(" ".join(sorted(controllers)))
    limits.mkdir()
    stack.callback(_remove, limits)
    for setting, value in settings.items():
        with suppress(FileNotFoundError) if ".swap." in setting else ExitStack():
            (limits / setting).write_text(value)
    descriptors = []
    for group in (limits, ours):
        descriptors.append(os.open(group / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
        stack.callback(os.close, descriptors[-1])
    return Group(*descriptors)


def _remove(group: Path) -> None:
    """Whoever delegated removes the rest, with our own group in it."""
    with suppress(OSError):
        group.rmdir()


def _not_delegated(why: str) -> ContainerError:
    user = "" if os.geteuid() == 0 else "--user "
    return ContainerError(
        "the container's memory and CPUs cannot be limited",
        why=why,
        next_command=f"systemd-run {user}--scope -p Delegate=yes amphora run …",
    )
