"""Ending a container whose first process crashed in QEMU, and would hang for ever.

The first process of a container hears no signal that it has no handler for, not even the
one with which QEMU ends itself; see system.unheard. So we look at it a few times a second,
and kill it in place of that signal. A program that the CPU itself runs is left alone: what
the kernel does not end there, docker does not end either.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec import Struct

from amphora.system.unheard import Unheard, unheard_signal

_INTERVAL_SECONDS = 0.25

#: What the executables of all emulators of QEMU have in their names.
_EMULATOR = "qemu"

#: Where the kernel puts the path of the program that QEMU is to run.
_PATH_AT = 1


class Crash(Struct, frozen=True):
    """A signal that ended a program in QEMU."""

    number: int
    program: str

    @property
    def status(self) -> int:
        """The exit status, as shells tell it."""
        return 128 + self.number


class Watch(Struct):
    """`crash` is what was seen, if anything was."""

    crash: Crash | None = None


@asynccontextmanager
async def crash_ended(first_process: Callable[[], int | None]) -> AsyncIterator[Watch]:
    """Meanwhile, a container is ended if its first process hangs in QEMU after a crash.

    `first_process` tells its PID; None as long as there is none.
    """
    watch = Watch()
    task = asyncio.create_task(_keep_looking(watch, first_process))
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def pid_in(file: Path) -> Callable[[], int | None]:
    """For `crash_ended`: what a runtime writes into its --pid-file."""

    def read() -> int | None:
        with suppress(FileNotFoundError, ValueError):
            return int(file.read_text())
        return None

    return read


async def _keep_looking(watch: Watch, first_process: Callable[[], int | None]) -> None:
    while watch.crash is None:
        await asyncio.sleep(_INTERVAL_SECONDS)
        process = first_process()
        found = None if process is None else unheard_signal(process, _EMULATOR)
        if process is not None and found is not None:
            watch.crash = Crash(found.number, _program(found))
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _program(found: Unheard) -> str:
    """Fit for a terminal, whatever it calls itself."""
    path = b"".join(found.arguments[_PATH_AT : _PATH_AT + 1]).decode(errors="replace")
    return "".join(letter if letter.isprintable() else "?" for letter in path)
