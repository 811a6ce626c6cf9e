"""How long programs were in QEMU: looked at now and then, as a profiler does.

Nothing tells what a process that has ended took, unless it is traced. So we look at all
processes that are in QEMU about twenty times a second. Of one that was there the last time,
we know what it has used since. One that is new stands for all that came, or came and went,
since the last time: it counts as if it had run all that while, if it runs now. That errs
for any one of them and is right for many; the end of a process, which nobody sees, is made
up for by its beginning.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from amphora.emulation.account import Account
from amphora.emulation.graft import SHOWN_AS
from amphora.system.running import running

_INTERVAL_SECONDS = 0.05

#: A look may take this part of the time, however many processes there are.
_LARGEST_SHARE = 0.01

#: Where the kernel puts the path of the program that QEMU is to run.
_PATH_AT = 1


class Sampler:
    """Adds up the seconds in QEMU of what runs in a mounted image, by program."""

    def __init__(self, image: Path, account: Account) -> None:
        self._device = image.stat().st_dev
        self._account = account
        self._seen: dict[tuple[int, int], float] = {}

    def look(self, elapsed: float) -> None:
        """Once; `elapsed` are the seconds since the last time."""
        seen = {}
        for process in running(SHOWN_AS, self._device):
            key = process.number, process.started
            seen[key] = process.seconds
            before = self._seen.get(key)
            spent = elapsed * process.on_cpu if before is None else process.seconds - before
            if spent > 0 and len(process.arguments) > _PATH_AT:
                self._account.spend(process.arguments[_PATH_AT], spent)
        self._seen = seen

    async def keep_looking(self) -> None:
        """Until cancelled."""
        last = time.monotonic()
        pause = _INTERVAL_SECONDS
        while True:
            await asyncio.sleep(pause)
            now, worked = time.monotonic(), time.thread_time()
            self.look(now - last)
            last = now
            pause = max(_INTERVAL_SECONDS, (time.thread_time() - worked) / _LARGEST_SHARE)


@asynccontextmanager
async def sampled(image: Path, account: Account) -> AsyncIterator[None]:
    """Meanwhile, put into the account what programs of a mounted image take in QEMU."""
    task = asyncio.create_task(Sampler(image, account).keep_looking())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
