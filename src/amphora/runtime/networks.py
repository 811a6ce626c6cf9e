"""Networks of containers: namespaces with a way out through pasta, one for each that runs.

pasta (https://passt.top, Debian's `passt`) needs no privilege: it copies the host's addresses
and routes into the namespace and moves its packets through ordinary sockets of ours. A
namespace that a container has left is as it was, and is given to the next: starting pasta
takes longer than starting a container.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import Struct

from amphora.core.errors import MissingToolError
from amphora.runtime.names import reachable_resolvers
from amphora.runtime.spec import Network
from amphora.system.netns import network_namespace
from amphora.system.process import find_tool, stream
from amphora.system.tasks import to_the_end

_OPTIONS = (
    *("--foreground", "--quiet", "--config-net", "--netns-only"),
    *("-T", "none", "-U", "none"),
)
#: Nothing that listens on the host can be reached, as with docker's networks; without this, at
#: the address of the default gateway.
_NOT_TO_HOST = "--no-map-gw"


class _NoWayOutError(Exception):
    """Why no network of its own can be made here."""


class Port(Struct, frozen=True):
    """A port of the host, at one address of it or at all, that leads to one inside."""

    outside: int
    inside: int
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str = ""


class _WayOut(Struct, frozen=True):
    """A namespace and the pasta that serves it, which ends when cancelled.

    With `to_host` it leads to the host, too.
    """

    to_host: bool
    namespace: Path
    pasta: asyncio.Task[int]
    mounts: ExitStack


class Networks:
    """Gives each container of a build a network; used in an `async with` statement."""

    def __init__(
        self, area: Path, say: Callable[[str], None], published: Sequence[Port] = ()
    ) -> None:
        """`area` is an empty directory; `say` is told once why there are no such networks.

        Only what is `published` is led to a network, which must then be the only one.
        """
        self._area = area
        self._ways_in = list(_ways_in(published))
        self._say = say
        self._numbers = itertools.count()
        self._all: list[_WayOut] = []
        self._idle: list[_WayOut] = []
        self._impossible = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await to_the_end(self._close(self._all))

    @asynccontextmanager
    async def joined(self, *, keep: bool = True, to_host: bool = False) -> AsyncIterator[Network]:
        """A network with a way out that nobody else is in; failing that, the host's.

        `keep` says that whoever is in it cannot change it, so that others may have it next. With
        `to_host`, what listens on the host is at the address of its default gateway.
        """
        way_out = await self._take(to_host=to_host)
        if way_out is None:
            yield "host"
            return
        try:
            yield way_out.namespace
        finally:
            if keep:
                self._idle.append(way_out)
            else:
                await to_the_end(self._close([way_out]))

    async def _take(self, *, to_host: bool) -> _WayOut | None:
        while fitting := [each for each in self._idle if each.to_host == to_host]:
            way_out = fitting.pop()
            self._idle.remove(way_out)
            if not way_out.pasta.done():
                return way_out
        if self._impossible:
            return None
        try:
            return await self._open(to_host=to_host)
        except _NoWayOutError as error:
            if not self._impossible:
                self._say(f"commands run on the host's network: {error}")
            self._impossible = True
            return None

    async def _open(self, *, to_host: bool) -> _WayOut:
        try:
            pasta = find_tool("pasta", "passt")
        except MissingToolError as error:
            raise _NoWayOutError(
                "pasta is not installed (sudo apt-get install passt); --network=host says so "
                "on purpose"
            ) from error
        if reachable_resolvers() is None:
            raise _NoWayOutError("its name servers, in /etc/resolv.conf, listen on loopback only")
        mounts = ExitStack()
        number = next(self._numbers)
        try:
            namespace = mounts.enter_context(network_namespace(self._area / f"{number}"))
        except OSError as error:
            raise _NoWayOutError(str(error)) from error
        try:
            ways = [*self._ways_in, *(() if to_host else (_NOT_TO_HOST,))]
            task = await _started(
                [pasta, *_OPTIONS, *ways], namespace, self._area / f"{number}.ready"
            )
        except BaseException:
            mounts.close()
            raise
        way_out = _WayOut(to_host, namespace, task, mounts)
        self._all.append(way_out)
        return way_out

    async def _close(self, ways_out: list[_WayOut]) -> None:
        await _ended(*(way_out.pasta for way_out in ways_out))
        for way_out in list(ways_out):
            way_out.mounts.close()
            self._all.remove(way_out)


def _ways_in(published: Sequence[Port]) -> Iterator[str]:
    """As pasta(1) takes ports: `ADDRESS/OUTSIDE:INSIDE`."""
    for flag, protocol in (("-t", "tcp"), ("-u", "udp")):
        ports = [port for port in published if port.protocol == protocol]
        for port in ports:
            address = f"{port.address}/" if port.address else ""
            yield from (flag, f"{address}{port.outside}:{port.inside}")
        if not ports:
            yield from (flag, "none")


async def _started(pasta: Sequence[str], namespace: Path, fifo: Path) -> asyncio.Task[int]:
    """pasta, serving a namespace: it writes its PID, here into a pipe, when all is set up.

    Raises _NoWayOutError if it ends before that.
    """
    said = bytearray()
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    command = [*pasta, "--pid", str(fifo), "--netns", str(namespace)]
    task = asyncio.create_task(stream(command, said.extend))
    heard = asyncio.create_task(_readable(reader))
    ready = False
    try:
        await asyncio.wait([task, heard], return_when=asyncio.FIRST_COMPLETED)
        ready = _has_content(reader)
    finally:
        await _ended(heard)
        os.close(reader)
        fifo.unlink()
        if not ready:
            await _ended(task)
    if not ready:
        lines = said.decode(errors="replace").strip().splitlines() or ["it ended, saying nothing"]
        raise _NoWayOutError(f"pasta cannot make another: {lines[-1]}")
    return task


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await to_the_end(_gathered(tasks))


async def _gathered(tasks: Sequence[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def _has_content(pipe: int) -> bool:
    try:
        return bool(os.read(pipe, 64))
    except BlockingIOError:
        return False
