"""A child of ours that somebody else started: waited for, sent signals, never left running.

A runtime starts a container's first process and ends; the process is then the child of the
worker, which is the first process of its namespace.
"""

import asyncio
import os
import signal
from types import TracebackType
from typing import Self


class Child:
    """Used in an `async with` statement, at the end of which it does not run any more."""

    def __init__(self, number: int) -> None:
        """`number` is its PID; nobody else may wait for it."""
        self._number = number
        self._status: int | None = None

    async def __aenter__(self) -> Self:
        self._descriptor = os.pidfd_open(self._number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.send(signal.SIGKILL)
        self._reap()
        os.close(self._descriptor)

    def send(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self._status is None:
            signal.pidfd_send_signal(self._descriptor, number)

    async def ended(self) -> int:
        """Wait for its end; its exit status, which is 128 and the number if a signal ended it."""
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
