"""A control group for the containers of several processes at once, each in a part of its own.

Who uses it holds a lock on its directory, which the kernel drops however that process dies;
the last one removes it. A part tells what became of one container (memory.events of version 2,
memory.oom_control of version 1). In version 1 the group is at the top, as docker's are: builds
that were started in different groups are to be in one.
"""

import errno
import fcntl
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import ControlGroupError, InvalidValueError
from amphora.system import cgroup_entrance
from amphora.system.cgroup_limits import MEANINGS, Limits, by_place, write_limits
from amphora.system.cgroup_places import Place, places
from amphora.system.cgroups import NO_HIERARCHY, PROCESSES, delegated, give, own_group

#: Not that of the groups in system.cgroups, which are removed when their process is gone.
_PREFIX = "amphora."

#: Files that count the processes that were killed for want of memory, of either version.
_COUNTERS = ("memory.events", "memory.oom_control")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

#: How long processes that were killed may take to be gone, in steps of a moment.
_MOMENT, _MOMENTS = 0.05, 200


class Part(Struct, frozen=True):
    """That of one container; `entrances` are descriptors for whoever is to enter it."""

    entrances: Sequence[int]
    counters: Sequence[int]

    def command(self, arguments: Sequence[str]) -> Sequence[str]:
        """A command that enters it and becomes this one; it must inherit the entrances."""
        script = str(Path(cgroup_entrance.__file__))
        numbers = ",".join(map(str, self.entrances))
        # Neither modules nor settings of whoever calls us.
        return [sys.executable, "-I", "-S", script, numbers, *arguments]

    def starved(self) -> bool:
        """Was something in it killed because the group had no more memory to give?"""
        lines = [line for each in self.counters for line in os.pread(each, 4096, 0).splitlines()]
        counts = (line.split() for line in lines if line.startswith(b"oom_kill "))
        return any(int(number) for _, number in counts)


class SharedGroup(Struct, frozen=True):
    """`title` says what gives how much to whom. Descriptors: they outlive namespaces."""

    title: str
    directories: Sequence[int]

    @contextmanager
    def part(self) -> Iterator[Part]:
        """A new one, in each hierarchy; raises ControlGroupError."""
        name = secrets.token_hex(8)
        with ExitStack() as stack:
            try:
                part = self._made(name, stack)
            except OSError as error:
                raise ControlGroupError(
                    "a container cannot be given its control group",
                    why=f"{error.filename or name}: {str(error.strerror).lower()}; {self.title}",
                    next_command="run it again: somebody else may have removed the group",
                ) from error
            yield part

    def _made(self, name: str, stack: ExitStack) -> Part:
        entrances, counters = [], []

        def opened(path: str, flags: int, directory: int) -> int:
            descriptor = os.open(path, flags | os.O_CLOEXEC, dir_fd=directory)
            stack.callback(os.close, descriptor)
            return descriptor

        for directory in self.directories:
            os.mkdir(name, dir_fd=directory)
            stack.callback(_remove, name, directory)
            entrances.append(opened(f"{name}/{PROCESSES}", os.O_WRONLY, directory))
            for counter in _COUNTERS:
                with suppress(FileNotFoundError):
                    counters.append(opened(f"{name}/{counter}", os.O_RDONLY, directory))
        return Part(entrances, counters)


@contextmanager
def shared_group(key: str, limits: Limits, title: str) -> Iterator[SharedGroup]:
    """The one group of a key, with these limits, whoever else uses it.

    To be entered by a process of one thread, before it makes namespaces. Raises
    ControlGroupError if the limits cannot be kept here.
    """
    found, lacking = by_place(limits)
    if lacking:
        raise _not_limited(lacking, NO_HIERARCHY)
    with ExitStack() as stack:
        directories = []
        for place, controllers in found.items():
            try:
                parent = _parent(place, controllers)
                prepare = _Prepare(place.version, limits, controllers)
                directories.append(stack.enter_context(_used(parent / f"{_PREFIX}{key}", prepare)))
            except OSError as error:
                why = f"{error.filename or place.own}: {str(error.strerror).lower()}"
                raise _not_limited(controllers, why) from error
        yield SharedGroup(title, directories)


@contextmanager
def group_below(parent: str) -> Iterator[SharedGroup]:
    """A group below one that is there, in each hierarchy that has it; `parent` is its path.

    Raises ControlGroupError if none has it, or if it cannot be had; InvalidValueError.
    """
    words = [word for word in parent.split("/") if word]
    if not words or ".." in words or "." in words:
        raise InvalidValueError(
            f"a control group cannot be called {parent!r}",
            why="it is a path below the top of a hierarchy, without . and ..",
            next_command="for example --cgroup-parent /ci",
        )
    known = {place.top: place for place in places().values()}.values()
    there = [place for place in known if place.top.joinpath(*words, PROCESSES).exists()]
    if not there:
        tops = ", ".join(str(place.top) for place in known) or "nowhere"
        raise ControlGroupError(
            f"there is no control group {parent}",
            why=f"hierarchies are mounted on {tops}, and none has it",
            next_command="name one that is there, or make it: mkdir below one of those",
        )
    with ExitStack() as stack:
        directories = []
        for place in there:
            group = place.top.joinpath(*words, f"{_PREFIX}{secrets.token_hex(8)}")
            try:
                directories.append(stack.enter_context(_used(group, _inherit)))
            except OSError as error:
                raise ControlGroupError(
                    f"the control group {parent} cannot be used",
                    why=f"{error.filename or group}: {str(error.strerror).lower()}",
                    next_command="name one that is delegated to you, or run it as root",
                ) from error
        yield SharedGroup(f"the control group {parent} has no more", directories)


class _Prepare(Struct, frozen=True):
    version: int
    limits: Limits
    controllers: Sequence[str]

    def __call__(self, group: Path) -> None:
        write_limits(group, self.version, self.limits, self.controllers)
        if "memory" in self.controllers:
            _count(group)


def _inherit(group: Path) -> None:
    """Let processes enter: in version 1 a new group has no CPUs and no memory nodes at all.

    https://docs.kernel.org/admin-guide/cgroup-v1/cpusets.html
    """
    if (group / "cgroup.clone_children").exists() and (group / "cpuset.cpus").exists():
        for name in ("cpuset.cpus", "cpuset.mems"):
            (group / name).write_text((group.parent / name).read_text())
        (group / "cgroup.clone_children").write_text("1")
    _count(group)


def _count(group: Path) -> None:
    """Have each part of a group count its own, where version 2 has the memory's controller."""
    with suppress(OSError):
        if "memory" in (group / "cgroup.controllers").read_text().split():
            give(group, ["memory"])


def _parent(place: Place, controllers: Sequence[str]) -> Path:
    return place.top if place.version == 1 else delegated(place, controllers)[1]


@contextmanager
def _used(group: Path, prepare: Callable[[Path], None]) -> Iterator[int]:
    """The directory of a group, made and prepared by the first who uses it; raises OSError."""
    # Later something may be mounted over its path.
    parent = os.open(group.parent, _DIRECTORY)
    try:
        _sweep(group.parent, parent)
        descriptor = _joined(group, parent, prepare)
        try:
            yield descriptor
        finally:
            if _alone(descriptor):
                _clear(group.name, parent, descriptor)
            os.close(descriptor)
    finally:
        os.close(parent)


def _joined(group: Path, parent: int, prepare: Callable[[Path], None]) -> int:
    for _ in range(_MOMENTS):
        descriptor = _try_to_join(group, parent, prepare)
        if descriptor is not None:
            return descriptor
        time.sleep(_MOMENT)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(group))


def _try_to_join(group: Path, parent: int, prepare: Callable[[Path], None]) -> int | None:
    """None if it was removed meanwhile, or was left by somebody and is not gone yet."""
    made = _made(group.name, parent)
    joined = False
    try:
        descriptor = os.open(group, _DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        if not _alone(descriptor):
            # Whoever has it may only look at what a killed one left, so this is done again.
            with suppress(OSError):
                prepare(group)
                joined = _shared(descriptor) and _is_there(group, descriptor)
        elif made and _is_there(group, descriptor):
            prepare(group)
            joined = _shared(descriptor) and _is_there(group, descriptor)
        else:
            # Of one that was killed, with limits of who knows when.
            _clear(group.name, parent, descriptor)
    except OSError:
        _clear(group.name, parent, descriptor)
        raise
    finally:
        if not joined:
            os.close(descriptor)
    return descriptor if joined else None


def _made(name: str, parent: int) -> bool:
    try:
        # Nobody else's to open, and to lock.
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _alone(descriptor: int) -> bool:
    """Lock a group for ourselves, if nobody else uses it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shared(descriptor: int) -> bool:
    """Lock it beside others who use it; not beside one who makes or removes it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(group: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), group.stat())
    return False


def _sweep(directory: Path, descriptor: int) -> None:
    """Remove the groups that nobody uses: those who did were killed."""
    for left in directory.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            opened = os.open(left, _DIRECTORY)
            if _alone(opened):
                _clear(left.name, descriptor, opened)
            os.close(opened)


def _clear(name: str, parent: int, descriptor: int) -> None:
    """Remove a group and its parts, but for those that somebody is still in."""
    with os.scandir(descriptor) as entries:
        parts = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for part in parts:
        _remove(part, descriptor)
    _remove(name, parent)


def _remove(name: str, parent: int) -> None:
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent)


def _not_limited(controllers: Sequence[str], why: str) -> ControlGroupError:
    what = " and ".join(MEANINGS[controller] for controller in controllers)
    return ControlGroupError(
        f"{what} cannot be limited here",
        why=why,
        next_command=f"{own_group('…')} has a group of its own",
    )
