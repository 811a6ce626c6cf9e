"""Copying between descriptors in threads of their own, so that a slow reader holds up nobody else.

What a program is given for its input and output are pipes (or a terminal) of ours, never
our own files: through those it could read, or cut short, what was only to be appended to.
"""

import asyncio
import os
import select
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 1 << 16
_KEPT = 4096


class Relay:
    """Copies everything from one descriptor to another; used in a `with` statement.

    It has copies of the descriptors, which it closes at the end: whoever is at the other
    end of a pipe notices, if the caller has closed its own. `beginning` keeps the first
    bytes, for whoever has to explain them.
    """

    def __init__(self, source: int, sink: int) -> None:
        """Where a sink may block, nobody can stop the copying while it does."""
        self._source = os.dup(source)
        self._sink = os.dup(sink)
        self._told, self._tell = os.pipe()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self.beginning = b""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._tell)

    async def ended(self) -> None:
        """Wait until the source has no more, or the sink takes no more."""
        await self._ended.wait()

    def _copy(self) -> None:
        try:
            while self._ready(self._source, select.POLLIN) and (
                chunk := os.read(self._source, _CHUNK)
            ):
                self.beginning += chunk[: _KEPT - len(self.beginning)]
                self._write(chunk)
        except OSError:
            # A terminal whose other side is closed, a reader that went away: the end, both.
            pass
        finally:
            for descriptor in (self._source, self._sink, self._told):
                os.close(descriptor)
            # A loop that is closed has nobody who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ended.set)

    def _write(self, chunk: bytes) -> None:
        """All of it, unless told to stop while nobody reads."""
        while chunk and self._ready(self._sink, select.POLLOUT):
            with suppress(BlockingIOError):
                chunk = chunk[os.write(self._sink, chunk) :]

    def _ready(self, descriptor: int, event: int) -> bool:
        """Wait for a descriptor; False when told to stop."""
        poll = select.poll()
        poll.register(self._told, 0)
        poll.register(descriptor, event)
        return self._told not in {ready for ready, _ in poll.poll()}
