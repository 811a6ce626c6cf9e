"""Where this process is in the hierarchies of control groups, and what they control.

https://man7.org/linux/man-pages/man7/cgroups.7.html, proc_pid_mountinfo(5)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

_GROUPS = Path("/proc/self/cgroup")
_MOUNTS = Path("/proc/self/mountinfo")


class Place(Struct, frozen=True):
    """A hierarchy of a version: the directory it is mounted on, and that of our own group."""

    version: int
    top: Path
    own: Path


def places() -> Mapping[str, Place]:
    """By controller: the hierarchy that has it, if it is mounted where we can see ourselves."""
    found: dict[str, Place] = {}
    own = dict(_own_groups())
    for root, top, kind, options in _mounts():
        for name in (option for option in ("", *options) if option in own):
            version = 2 if kind == "cgroup2" else 1
            if (version == 2) != (name == "") or not own[name].startswith(root):
                continue
            place = Place(version, top, top / own[name].removeprefix(root).lstrip("/"))
            # Something else may be mounted over it.
            if (place.own / "cgroup.procs").exists():
                names = _controllers(top) if version == 2 else [name]
                found |= {each: place for each in names if each not in found}
    return found


def _own_groups() -> Iterator[tuple[str, str]]:
    """Controllers and paths; version 2 has no name."""
    for line in _GROUPS.read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            yield name, path


def _mounts() -> Iterator[tuple[str, Path, str, list[str]]]:
    """Of hierarchies: which group is shown, where, its kind, and what it was mounted with."""
    for line in _MOUNTS.read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, top = left.split()[3:5]
        if kind in {"cgroup", "cgroup2"}:
            yield root.rstrip("/"), Path(top), kind, options.split(",")


def _controllers(top: Path) -> list[str]:
    return (top / "cgroup.controllers").read_text().split()
