"""Control groups: what all processes of a container may take of memory, CPU and PIDs together.

Of version 2 inside a group that was delegated to us: one that we may write to and that nobody
but us is in, since a group that has processes gives no controllers to others; root may make one
at the top. Of version 1, where a controller is of that, root may make one inside our own.
https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from amphora.system.cgroup_limits import MEANINGS, Limits, by_place, write_limits
from amphora.system.cgroup_places import Place

#: What our groups are called: this and our PID.
_PREFIX = "amphora-"

PROCESSES = "cgroup.procs"

#: Why a controller cannot be had at all.
NO_HIERARCHY = "no hierarchy of control groups here has that"


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
        found, lacking = by_place(limits)
        for controller in lacking:
            say(_not_limited([controller], NO_HIERARCHY))
        for place, controllers in found.items():
            try:
                groups = _divided(place, limits, controllers, stack)
                for group, descriptors in zip(groups, (inside, outside), strict=True):
                    opened = os.open(group / PROCESSES, os.O_WRONLY | os.O_CLOEXEC)
                    stack.callback(os.close, opened)
                    descriptors.append(opened)
            except OSError as error:
                del inside[len(outside) :]
                where = error.filename or place.own
                say(_not_limited(controllers, f"{where}: {str(error.strerror).lower()}"))
        yield Group(inside, outside) if inside else None


def delegated(place: Place, controllers: Sequence[str]) -> tuple[Path, Path]:
    """In version 2: the group that we are in, and the one that ours may be made in.

    That gives controllers to what is in it. Raises OSError where nothing is ours.
    """
    if (place.own / PROCESSES).read_text().split() == [str(os.getpid())]:
        # It goes with the group that was delegated, which whoever did that removes.
        ours, parent = place.own / f"{_PREFIX}{os.getpid()}-outside", place.own
        ours.mkdir()
        (ours / PROCESSES).write_text("0")
    else:
        ours, parent = place.own, place.top
    give(parent, controllers)
    return ours, parent


def give(group: Path, controllers: Sequence[str]) -> None:
    """In version 2: let what is in a group have these controllers; raises OSError."""
    wanted = " ".join(f"+{controller}" for controller in controllers)
    (group / "cgroup.subtree_control").write_text(wanted)


def _divided(
    place: Place, limits: Limits, controllers: Sequence[str], stack: ExitStack
) -> tuple[Path, Path]:
    """The group with the limits, and the one for us; raises OSError where nothing is ours."""
    ours, parent = place.own, place.own
    if place.version == 2:
        ours, parent = delegated(place, controllers)
    group = _made(parent, stack)
    write_limits(group, place.version, limits, controllers)
    return group, ours


def _made(parent: Path, stack: ExitStack) -> Path:
    """A group of our own; those that killed processes left are removed on the way."""
    for left in parent.glob(f"{_PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(_PREFIX)).exists():
            with suppress(OSError):  # Somebody is in it.
                left.rmdir()
    group = parent / f"{_PREFIX}{os.getpid()}"
    # Later something may be mounted over its path.
    directory = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, directory)
    group.mkdir()
    stack.callback(_remove, group.name, directory)
    return group


def _remove(name: str, directory: int) -> None:
    """Not if somebody is in it."""
    with suppress(OSError):
        os.rmdir(name, dir_fd=directory)


def _not_limited(controllers: Sequence[str], why: str) -> str:
    """One line: what is not limited, why, and what would change that."""
    what = " and ".join(MEANINGS[controller] for controller in controllers)
    return (
        f"{what} of the container cannot be limited: {why}; "
        f"{own_group('run …')} has a group of its own"
    )


def own_group(command: str) -> str:
    """What starts a command of ours in a group that is delegated to it."""
    user = "" if os.geteuid() == 0 else "--user "
    return f"systemd-run {user}--scope -p Delegate=yes amphora {command}"
