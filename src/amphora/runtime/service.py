"""A container that is left running while others look at it, and ended when they have seen enough.

crun stays in the foreground as the parent of the container's first process, so that several
containers can run side by side and each is reaped by its own.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from amphora.runtime.beside import Beside, process_of
from amphora.runtime.container import Runtime
from amphora.runtime.spec import Container
from amphora.system.child import end_adopted
from amphora.system.descendants import kill_with_descendants
from amphora.system.memory import scratch_directory
from amphora.system.process import stream
from amphora.system.running import runs_what_its_parent_runs
from amphora.system.tasks import to_the_end

#: Seconds between looks at what nobody tells of.
_MOMENT = 0.01
#: Seconds for what was killed to be reaped.
_PATIENCE = 2.0


class Service:
    """A container whose program has been started. `process` is its PID, 0 if it has ended."""

    def __init__(
        self, name: str, bundle: Path, crun: Sequence[str], process: int, end: asyncio.Task[int]
    ) -> None:
        self._name = name
        self._bundle = bundle
        self._crun = crun
        self.process = process
        #: Done when it has ended, with its status.
        self.end = end

    async def run(
        self, program: Beside, on_output: Callable[[bytes], None], timeout: float
    ) -> int | None:
        """Run a program beside the first one; its exit status, None if it took longer.

        However this ends, nothing of the program is left running.
        """
        config = msgspec.json.decode((self._bundle / "config.json").read_bytes())
        with scratch_directory(self._bundle) as area:
            (area / "process.json").write_bytes(msgspec.json.encode(process_of(config, program)))
            files = ("--process", f"{area}/process.json", "--pid-file", f"{area}/pid")
            command = [*self._crun, "exec", *files, self._name]
            running = asyncio.create_task(stream(command, on_output))
            try:
                done, _ = await asyncio.wait([running], timeout=timeout)
                return running.result() if done else None
            finally:
                await to_the_end(_ended(running, area / "pid"))


@asynccontextmanager
async def served(
    runtime: Runtime, container: Container, on_output: Callable[[bytes], None]
) -> AsyncIterator[Service]:
    """Start a container and end it at the end of the block, if it has not ended by itself.

    However this ends, nothing of the container is left running.
    """
    name = secrets.token_hex(8)
    with runtime.bundled(name, container) as (bundle, crun):
        pid_file = bundle / "pid"
        command = [*crun, "run", "--bundle", str(bundle), "--pid-file", str(pid_file), name]
        end = asyncio.create_task(stream(command, on_output, grace=0))
        try:
            yield Service(name, bundle, crun, await _begun(pid_file, end), end)
        finally:
            end.cancel()
            await to_the_end(_waited_for(end))


async def _begun(pid_file: Path, end: asyncio.Task[int]) -> int:
    """The PID, as soon as it is not crun any more that runs there; 0 if it has ended."""
    while not end.done():
        text = pid_file.read_text() if pid_file.exists() else ""
        if text and not runs_what_its_parent_runs(int(text)):
            return int(text)
        await asyncio.sleep(_MOMENT)
    return 0


async def _ended(running: asyncio.Task[int], pid_file: Path) -> None:
    """End a program that takes too long.

    By itself, not with its crun, which must reap it: a container does not end before all in it
    are reaped, and nobody else would. What it left running may hold its output open.
    """
    deadline = time.monotonic() + _PATIENCE
    while not running.done() and time.monotonic() < deadline:
        with suppress(OSError, ValueError):
            kill_with_descendants(int(pid_file.read_text()))
        await asyncio.wait([running], timeout=_MOMENT)
    running.cancel()
    await _waited_for(running)
    # A crun that cannot start a program leaves the process that it was to be.
    while end_adopted() and time.monotonic() < deadline + _PATIENCE:
        await asyncio.sleep(_MOMENT)


async def _waited_for(task: asyncio.Task[int]) -> None:
    await asyncio.gather(task, return_exceptions=True)
