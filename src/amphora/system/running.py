"""The processes that run a certain executable now, and what they have used of the CPU.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")

#: By number in /proc/PID/stat, behind the name, which may hold anything.
_STATE, _PARENT, _USER, _SYSTEM, _STARTED = 0, 1, 11, 12, 19

#: A process may make its command line as long as it likes.
_LONGEST = 4096


class Running(Struct, frozen=True):
    """A process at this moment.

    `started` tells it from others that have its number later; `seconds` is its time on the
    CPU so far; `on_cpu`: it runs or waits for a CPU, rather than for something else.
    """

    number: int
    started: int
    seconds: float
    on_cpu: bool
    arguments: tuple[bytes, ...]


def running(executable: str, device: int) -> Iterator[Running]:
    """Those whose executable's path begins so, and whose root directory is on a device."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if (
                str((directory / "exe").readlink()).startswith(executable)
                and (directory / "root").stat().st_dev == device
            ):
                yield _read(directory)
        except OSError:
            continue  # It ended meanwhile, or is the kernel's.


def _read(directory: Path) -> Running:
    fields = (directory / "stat").read_bytes().rpartition(b")")[2].split()
    with (directory / "cmdline").open("rb") as file:
        arguments = file.read(_LONGEST).split(b"\0")
    return Running(
        number=int(directory.name),
        started=int(fields[_STARTED]),
        seconds=(int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS,
        on_cpu=fields[_STATE] == b"R",
        arguments=tuple(arguments),
    )


def runs_what_its_parent_runs(number: int) -> bool:
    """Is a process, which has been forked, still to execute a program of its own?

    False for one that has ended.
    """
    try:
        fields = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()
        own, parents = (Path(f"/proc/{each}/exe").stat() for each in (number, int(fields[_PARENT])))
    except OSError:
        return False
    return (own.st_dev, own.st_ino) == (parents.st_dev, parents.st_ino)
