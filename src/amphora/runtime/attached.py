"""What a program in a container reads and writes, led from and to our own descriptors.

Through pipes, or, where it has a terminal, through that: so that a container never holds
a file of the host's that it was not given.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from amphora.system.process import Streams
from amphora.system.relay import Relay
from amphora.system.terminal import copy_window_size, raw

#: This process's own.
OWN = Streams(0, 1, 2)

#: What runtimes send with a terminal's descriptor is its name.
_LONGEST_NAME = 4096


class Attached(Protocol):
    """The input and output of one program.

    `streams` are for whoever starts it; with a terminal, `console` is a socket that wants
    its descriptor, as OCI runtimes send it.
    """

    @property
    def streams(self) -> Streams: ...

    @property
    def console(self) -> Path | None: ...

    async def wanted(self) -> None:
        """Wait until `begin` does not wait for a terminal to be sent."""
        ...

    def begin(self) -> None:
        """Start copying: the program has its streams, or its terminal was sent."""
        ...

    def resize(self) -> None:
        """Our own terminal has another size now."""
        ...

    async def drained(self) -> bytes:
        """Wait until all that was written is passed on; returns the beginning of the errors.

        Never ends before the program does.
        """
        ...


@asynccontextmanager
async def attached(
    *, interactive: bool, terminal: bool, area: Path, ends: Streams = OWN
) -> AsyncIterator[Attached]:
    """Input, if `interactive`, and output; our own terminal is as it was when this ends.

    `area` is a directory for what is only there meanwhile; `ends` are where input comes from
    and output goes to.
    """
    with ExitStack() as stack:
        if terminal:
            yield _Terminal(stack, area / "console", ends, interactive=interactive)
        else:
            yield _Pipes(stack, ends, interactive=interactive)


class _Pipes:
    def __init__(self, stack: ExitStack, ends: Streams, *, interactive: bool) -> None:
        self._stack = stack
        self._ends = ends
        self._given = stack.enter_context(ExitStack())
        self._kept = stack.enter_context(ExitStack())
        self._errors: Relay | None = None
        self._output: Relay | None = None
        self._feed: int | None = None
        self.console: Path | None = None
        if interactive:
            stdin, self._feed = self._pipe()
            self._given.callback(os.close, stdin)
            self._kept.callback(os.close, self._feed)
            # What the program does not read must not hold up the end of it.
            os.set_blocking(self._feed, False)
        else:
            stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            self._given.callback(os.close, stdin)
        self._outputs = [self._pipe(), self._pipe()]
        for read, written in self._outputs:
            self._kept.callback(os.close, read)
            self._given.callback(os.close, written)
        self.streams = Streams(stdin, self._outputs[0][1], self._outputs[1][1])

    async def wanted(self) -> None:
        pass

    def begin(self) -> None:
        self._given.close()
        if self._feed is not None:
            self._stack.enter_context(Relay(self._ends.stdin, self._feed))
        self._output = self._stack.enter_context(Relay(self._outputs[0][0], self._ends.stdout))
        self._errors = self._stack.enter_context(Relay(self._outputs[1][0], self._ends.stderr))
        self._kept.close()

    def resize(self) -> None:
        pass

    async def drained(self) -> bytes:
        for relay in (self._output, self._errors):
            if relay is not None:
                await relay.ended()
        return self._errors.beginning if self._errors else b""

    @staticmethod
    def _pipe() -> tuple[int, int]:
        return os.pipe2(os.O_CLOEXEC)


class _Terminal:
    def __init__(
        self, stack: ExitStack, console: Path, ends: Streams, *, interactive: bool
    ) -> None:
        self._stack = stack
        self._ends = ends
        self._interactive = interactive
        self._output: Relay | None = None
        self._master: int | None = None
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, nothing)
        self.streams = Streams(nothing, nothing, nothing)
        # A socket's path has 107 bytes at most, and this store may be anywhere.
        directory = os.open(console.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, directory)
        self.console: Path | None = Path(f"/proc/{os.getpid()}/fd/{directory}/{console.name}")
        self._listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        self._listener.bind(str(self.console))
        self._listener.listen()

    async def wanted(self) -> None:
        loop = asyncio.get_running_loop()
        sent = asyncio.Event()
        loop.add_reader(self._listener, sent.set)
        try:
            await sent.wait()
        finally:
            loop.remove_reader(self._listener)

    def begin(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            _, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_NAME, 1)
        self._master = descriptors[0]
        self._stack.callback(os.close, self._master)
        os.set_blocking(self._master, False)
        self.resize()
        self._output = self._stack.enter_context(Relay(self._master, self._ends.stdout))
        if self._interactive:
            self._stack.enter_context(raw(self._ends.stdin))
            self._stack.enter_context(Relay(self._ends.stdin, self._master))

    def resize(self) -> None:
        if self._master is not None:
            copy_window_size(self._ends.stdin, self._master)

    async def drained(self) -> bytes:
        if self._output is None:
            return b""
        await self._output.ended()
        return self._output.beginning
