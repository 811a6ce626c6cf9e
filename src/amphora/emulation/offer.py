"""What a container is shown for handoff to happen, and who answers its questions.

    /dev/.amphora/table    what can be handed off now
                  root-N   native roots, read-only; the newest holds all that older ones do
                  copies   native programs that know the image's port
                  log      a line for each execution, for the account
                  ask      a socket: a program that the table lacks may have come just now

A step installs and replaces programs while it runs. So whoever executes a program that the
table does not know asks for its path. If a rule names it, it is judged as it is now, and the
table written anew; if its counterpart is in a package that the native side lacks, that is
fetched meanwhile.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, field

from amphora.core.platform import Platform
from amphora.emulation.account import Account
from amphora.emulation.counterparts import Identity, NativeSide, identity, wanted_packages
from amphora.emulation.renamed import Renaming
from amphora.emulation.rules import read_rules
from amphora.emulation.sampling import sampled
from amphora.emulation.table import Handoff, write_table
from amphora.emulation.verdict import Reason
from amphora.system.roots import find_in_root
from amphora.system.tasks import in_thread

#: Under /dev, which no layer ever holds.
SHOWN_AT = "/dev/.amphora"

#: The longest path that is answered for (PATH_MAX), and how long one may take to send it.
_LONGEST_PATH = 4096
_PATIENCE_SECONDS = 10

#: Versions by the names of packages → the native root that has them too, in the area; None
#: if there is nothing new.
Fetch: TypeAlias = Callable[[Mapping[str, str]], Awaitable[Path | None]]


class Offer(Struct, frozen=True):
    """What is shown: `area`, a directory, in which `native` is a native root.

    `base_file`, `same_archive`, `any_revision` and `digests` are as in NativeSide. Without
    `fetch` the native root is all there is.
    """

    area: Path
    native: Path
    platform: Platform
    fetch: Fetch | None = None
    base_file: Callable[[str], os.stat_result | None] | None = None
    same_archive: bool = False
    any_revision: bool = False
    digests: dict[Identity, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Where programs of any user write."""
        return self.area / "log"

    def side(self, native: Path) -> NativeSide:
        """A native root of the area, as containers see it."""
        host = Platform.host()
        copies = self.area / "copies"
        copies.mkdir(exist_ok=True)
        return NativeSide(
            root=native,
            shown_at=f"{SHOWN_AT}/{native.name}",
            architecture=host.architecture,
            renaming=Renaming(host, self.platform, copies, f"{SHOWN_AT}/copies"),
            base_file=self.base_file,
            same_archive=self.same_archive,
            any_revision=self.any_revision,
            digests=self.digests,
        )


@asynccontextmanager
async def offered(offer: Offer, image: Path) -> AsyncIterator[Account]:
    """Answer while programs of the offer's platform run in a mounted image.

    Yields the account of them, which is filled at the end.
    """
    account = Account()
    offer.log.touch()
    offer.log.chmod(0o622)
    desk = _Desk(offer, image, offer.side(offer.native))
    await in_thread(desk.judge_all)
    try:
        async with _answering(offer.area, desk.answer), sampled(image, account):
            yield account
    finally:
        account.read(offer.log)
        account.other_revisions |= desk.other_revisions


class _Desk:
    """Answers whether the table is worth another look."""

    def __init__(self, offer: Offer, image: Path, side: NativeSide) -> None:
        self._offer = offer
        self._image = image
        self._side = side
        self._table = offer.area / "table"
        self._offered: dict[int, Handoff] = {}
        self._judged: set[Identity] = set()
        self._wanted: set[tuple[str, str]] = set()
        self._one_at_a_time = asyncio.Lock()

    def judge_all(self) -> None:
        """Write a table of everything that rules name."""
        found = self._side.handoffs(self._image, self._offer.platform.architecture)
        self._offered |= {handoff.status.st_ino: handoff for handoff in found}
        self._write()

    @property
    def other_revisions(self) -> set[str]:
        """As in the account."""
        return {each.other_revision for each in self._offered.values()} - {""}

    async def answer(self, path: str) -> bool:
        """Has the table this program now? Each state of a file is judged once."""
        program = find_in_root(self._image, path)
        if program is None:
            return False
        ruled = str(program.relative_to(self._image))
        if not any(rule.applied_to(ruled) for rule in read_rules()):
            return False
        async with self._one_at_a_time:
            try:
                state = identity(program.lstat())
            except FileNotFoundError:
                return False
            if state not in self._judged:
                self._judged.add(state)
                if await in_thread(self._judge, ruled):
                    await self._fetch()
            known = self._offered.get(state[0])
            return known is not None and identity(known.status) == state

    def _judge(self, path: str) -> bool:
        """Add a program to the table if it can be handed off; is there anything to fetch?"""
        architecture = self._offer.platform.architecture
        verdict = self._side.judge_one(self._image, architecture, path)
        if verdict and verdict.handoff:
            self._offered[verdict.handoff.status.st_ino] = verdict.handoff
            self._write()
        return verdict is not None and verdict.reason == Reason.TO_BE_FETCHED

    async def _fetch(self) -> None:
        """Get all that is wanted by now, once, and judge everything by it."""
        wanted = await in_thread(wanted_packages, self._image)
        if self._offer.fetch is None or wanted.items() <= self._wanted:
            return
        self._wanted |= wanted.items()
        native = await self._offer.fetch(wanted)
        if native is not None:
            self._side = self._offer.side(native)
            await in_thread(self.judge_all)

    def _write(self) -> None:
        """Whole at any moment, but not durable: nobody reads it after the step."""
        fresh = self._table.with_suffix(".new")
        fresh.write_bytes(write_table(list(self._offered.values())))
        fresh.rename(self._table)


@asynccontextmanager
async def _answering(area: Path, answer: Callable[[str], Awaitable[bool]]) -> AsyncIterator[None]:
    """Serve the socket `ask` in a directory; whoever still waits at the end gets no answer."""
    answering: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = await asyncio.wait_for(reader.read(_LONGEST_PATH), _PATIENCE_SECONDS)
            writer.write(b"Y" if await answer(os.fsdecode(question)) else b"N")
            await writer.drain()
        except (TimeoutError, ConnectionError):
            pass  # Whoever asked is gone, or never meant to.
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        answering.add(task)
        task.add_done_callback(answering.discard)

    server = await asyncio.start_unix_server(accept, sock=_socket_in(area))
    try:
        yield
    finally:
        server.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


def _socket_in(area: Path) -> socket.socket:
    """Bound by a short name, however long the directory's is: bind(2) takes 107 bytes."""
    directory = os.open(area, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{directory}/ask")
    finally:
        os.close(directory)
    (area / "ask").chmod(0o666)
    return listener
