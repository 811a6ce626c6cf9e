"""Asking a build to stop, from another process: by a pipe that has a name, not by a number.

A PID may be somebody else's by the time that it is used, and means nothing in another
namespace. The pipe is opened by the build alone; when that ends, nobody reads it any more.
https://man7.org/linux/man-pages/man7/fifo.7.html
"""

import asyncio
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from amphora.build.history import BuildRecord, running_builds, stop_pipe
from amphora.core.errors import BuilderError

#: How often a build is looked at that is asked to stop.
_MOMENT = 0.05

#: Seconds that a build has for ending: what a thread does is done to the end first.
PATIENCE = 60.0


@contextmanager
def stoppable(store_root: Path, identity: str) -> Iterator[None]:
    """The task that enters this is cancelled, once, as soon as somebody calls `stop_builds`."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    path = stop_pipe(store_root, identity)
    os.mkfifo(path, 0o600)
    # For writing as well: so it does not come to an end when somebody who wrote closes it.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def cancel() -> None:
        loop.remove_reader(descriptor)
        # A second request must not cut the cleaning-up short.
        if task is not None and not task.cancelling():
            task.cancel()

    loop.add_reader(descriptor, cancel)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        path.unlink()


def stop_builds(store_root: Path, patience: float = PATIENCE) -> list[BuildRecord]:
    """Ask all builds that run in a store to stop, as by Ctrl-C, and wait until they have.

    Returns them. Raises BuilderError if one does not end within this many seconds.
    """
    asked = running = running_builds(store_root)
    deadline = time.monotonic() + patience
    while running:
        for record in running:
            _ask(stop_pipe(store_root, record.id))
        if time.monotonic() > deadline:
            raise _deaf(running)
        time.sleep(_MOMENT)
        ours = {record.id for record in asked}
        running = [record for record in running_builds(store_root) if record.id in ours]
    return asked


def _ask(pipe: Path) -> None:
    """Nothing happens if nobody reads it (yet), or if it is none."""
    with suppress(OSError):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(pipe, flags)
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"!")
        finally:
            os.close(descriptor)


def _deaf(running: Sequence[BuildRecord]) -> BuilderError:
    return BuilderError(
        f"the build {running[0].id} does not end",
        why="it was asked to, and is still busy with something that cannot be cut short",
        next_command="amphora history logs " + running[0].id,
    )
