"""A child of ours that somebody else started: waited for, sent signals, never left running.

A runtime starts a container's first process and ends; the process is then the child of the
worker, which is the first process of its namespace. So is whatever else in the container has
lost its parent outside of it; unless somebody waits for that, the container cannot end
(pid_namespaces(7)).
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from amphora.system.tasks import to_the_end


class Child:
    """Used in an `async with` statement, at the end of which it does not run any more."""

    def __init__(self, number: int) -> None:
        """`number` is its PID; nobody else may wait for it."""
        self._number = number
        self._status: int | None = None

    async def __aenter__(self) -> Self:
        self._descriptor = os.pidfd_open(self._number)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, reap_adopted, self._number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.send(signal.SIGKILL)
        await to_the_end(self.ended())
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        os.close(self._descriptor)

    def send(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self._status is None:
            signal.pidfd_send_signal(self._descriptor, number)

    async def ended(self) -> int:
        """Wait for its end; its exit status, which is 128 and the number if a signal ended it."""
        if self._status is not None:
            return self._status
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._descriptor)
        return self._reap()

    def _reap(self) -> int:
        if self._status is None:
            code = os.waitstatus_to_exitcode(os.waitpid(self._number, 0)[1])
            self._status = code if code >= 0 else 128 - code
        return self._status


def reap_adopted(child: int = 0) -> None:
    """Wait for those that have ended and came to us from a container, but not for `child`."""
    for number, ended in _adopted():
        if ended and number != child:
            with suppress(OSError):
                os.waitpid(number, os.WNOHANG)


def end_adopted() -> bool:
    """Kill and wait for all that came to us from a container; are there more of them?

    Not beside a Child, which is one of them.
    """
    left = False
    for number, ended in _adopted():
        with suppress(OSError):
            if ended:
                os.waitpid(number, os.WNOHANG)
            else:
                os.kill(number, signal.SIGKILL)
                left = True
    return left


def _adopted() -> Iterator[tuple[int, bool]]:
    """Children of ours in a namespace below, and whether they have ended."""
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            text = (directory / "status").read_text(errors="replace")
            fields = dict(line.partition(":")[::2] for line in text.splitlines())
            if int(fields["PPid"]) == os.getpid() and len(fields["NSpid"].split()) > 1:
                yield int(directory.name), fields["State"].split()[0] == "Z"
