"""Ending a program with everything that it has started, in whatever session or namespace."""

import os
import select
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

#: Seconds for what was killed to end.
_PATIENCE = 5.0


def kill_with_descendants(pid: int) -> None:
    """Kill a process and all below it; when this returns, none of them runs any more.

    They are stopped first, one generation after the other, so that nobody forks or is
    orphaned while the rest is being found. `pid` must not be reaped meanwhile. What the kernel
    does not let end (the first of a PID namespace, before others reap what they have in it)
    is not waited for longer than a few seconds.
    """
    with ExitStack() as stack:
        stopped: dict[int, int] = {}
        while new := _family(pid) - stopped.keys():
            for member in new:
                with suppress(ProcessLookupError):
                    stopped[member] = os.pidfd_open(member)
                    stack.callback(os.close, stopped[member])
                    signal.pidfd_send_signal(stopped[member], signal.SIGSTOP)
        for descriptor in stopped.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE
        for descriptor in stopped.values():
            # Readable as soon as the process has ended; see pidfd_open(2).
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(max(deadline - time.monotonic(), 0) * 1000)


def _family(ancestor: int) -> set[int]:
    """The process and its descendants, those that have ended left out."""
    parents = dict(filter(None, map(_read_parent, Path("/proc").glob("[0-9]*"))))
    family = {ancestor} & parents.keys()
    while children := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= children
    return family


def _read_parent(directory: Path) -> tuple[int, int] | None:
    """A process and its parent, from proc_pid_stat(5); None if it is gone or a zombie."""
    try:
        fields = (directory / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold spaces and parentheses itself.
    state, parent = fields.rpartition(")")[2].split()[:2]
    return None if state in {"Z", "X"} else (int(directory.name), int(parent))
