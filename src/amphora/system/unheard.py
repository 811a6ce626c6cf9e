"""A process that waits to be ended by a signal of its own, and never will be.

QEMU's user mode ends a program that a signal kills by sending that signal to itself, having
taken its own handler away, and sleeps until it comes (`die_with_signal` in
https://gitlab.com/qemu-project/qemu/-/blob/master/linux-user/signal.c). To the first process
of a PID namespace it never comes: the kernel keeps from it what it has no handler for
(pid_namespaces(7)). It sleeps for ever, with every signal blocked but that one.

That can be seen from outside, in proc_pid_status(5) and proc_pid_syscall(5).
"""

import signal
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from amphora.core.platform import Platform

#: The number of rt_sigsuspend(2), by CPU.
_SUSPEND = {"amd64": "130", "arm64": "133"}

#: What nobody can block; C libraries keep 32 and 33, and 34 to 64 mean nothing here.
_NEVER_BLOCKED = {signal.SIGKILL, signal.SIGSTOP}
_USUAL = range(1, 32)

#: More threads than this are not looked at in one go.
_MOST_THREADS = 64

#: A process may make its command line as long as it likes.
_LONGEST = 4096


class Unheard(Struct, frozen=True):
    """The signal that a process waits for, and its command line."""

    number: int
    arguments: tuple[bytes, ...]


def unheard_signal(process: int, executable: str) -> Unheard | None:
    """What the first process of a PID namespace will never hear, though it waits for that alone.

    None if it does not wait so, is no such process, or runs an executable whose name does not
    have `executable` in it.
    """
    directory = Path(f"/proc/{process}")
    # It may end at any moment.
    with suppress(OSError):
        if executable not in (directory / "exe").readlink().name:
            return None
        tasks = sorted((directory / "task").iterdir())[:_MOST_THREADS]
        for number in filter(None, map(_awaited, tasks)):
            with (directory / "cmdline").open("rb") as file:
                return Unheard(number, tuple(file.read(_LONGEST).split(b"\0")))
    return None


def _awaited(task: Path) -> int | None:
    """The only signal that a thread does not block while it sleeps, if its default is to end."""
    text = (task / "status").read_text(errors="replace")
    fields = dict(line.partition(":")[::2] for line in text.splitlines())
    if fields.get("NStgid", "").split()[-1:] != ["1"]:
        return None
    open_to = {*_USUAL} - _signals(fields["SigBlk"]) - _NEVER_BLOCKED
    answered = _signals(fields["SigCgt"]) | _signals(fields["SigIgn"])
    if len(open_to) != 1 or open_to & answered:
        return None
    call = (task / "syscall").read_text().partition(" ")[0]
    return open_to.pop() if call == _SUSPEND.get(Platform.host().architecture) else None


def _signals(mask: str) -> set[int]:
    bits = int(mask, 16)
    return {number for number in _USUAL if bits >> (number - 1) & 1}
