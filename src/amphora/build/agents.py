"""`RUN --mount=type=ssh`: an SSH agent outside, as a socket inside, and never a key.

What a command says to the socket is passed on to the agent, byte by byte, because the agent
talks only to its own user while the command may be anybody. Keys given as files are held by
an agent of ours (ssh-agent, of Debian's openssh-client) for as long as the command runs.
"""

import asyncio
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import AmphoraError, ContextError
from amphora.system.process import find_tool, run, stream
from amphora.system.tasks import in_thread

_CHUNK = 65536
#: Seconds between two looks for the socket of an agent that is starting.
_MOMENT = 0.01


class Door(Struct, frozen=True):
    """The socket that a container is shown: its place, and whose it is."""

    path: Path
    mode: int
    uid: int
    gid: int


@asynccontextmanager
async def forwarded(paths: Sequence[Path], door: Door) -> AsyncIterator[None]:
    """Let whoever comes through the door talk to the agent at a socket, or to one with keys.

    Raises ContextError if a path is neither a socket nor a key that can be used.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(short_path(door.path.parent))
        agent = _socket_among(paths)
        if agent is None:
            agent = await stack.enter_async_context(_agent_with(paths, directory))
        conversations: set[asyncio.Task[None]] = set()

        def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(_converse(agent, reader, writer))
            conversations.add(task)
            task.add_done_callback(conversations.discard)

        server = await asyncio.start_unix_server(answer, directory / door.path.name)
        try:
            os.chown(door.path, door.uid, door.gid)
            door.path.chmod(door.mode)
            yield
        finally:
            server.close()
            for task in conversations:
                task.cancel()
            await asyncio.gather(*conversations, return_exceptions=True)


def _socket_among(paths: Sequence[Path]) -> Path | None:
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise ContextError(
                f"cannot use {path} for --ssh",
                why=str(error.strerror).lower(),
                next_command="give the socket of an agent (`echo $SSH_AUTH_SOCK`), or a key",
            ) from error
        if stat.S_ISSOCK(mode):
            return path
    return None


@contextmanager
def short_path(directory: Path) -> Iterator[Path]:
    """Another path of a directory: a socket's has 108 bytes at most, see unix(7)."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _agent_with(keys: Sequence[Path], directory: Path) -> AsyncIterator[Path]:
    """The socket of a new agent that holds these keys; it ends at the end."""
    program = find_tool("ssh-agent", "openssh-client")
    socket = directory / f"agent-{secrets.token_hex(4)}"
    task = asyncio.create_task(stream([program, "-D", "-a", str(socket)], lambda _: None))
    try:
        while not socket.exists() and not task.done():
            await asyncio.sleep(_MOMENT)
        for key in keys:
            await in_thread(_add, key, socket)
        yield socket
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _add(key: Path, socket: Path) -> None:
    add = find_tool("ssh-add", "openssh-client")
    try:
        # Nobody can be asked for a passphrase here.
        run([add, "-q", str(key)], extra_environment={"SSH_AUTH_SOCK": str(socket)})
    except AmphoraError as error:
        raise ContextError(
            f"cannot use the key {key} for --ssh",
            why=error.why,
            next_command="add it to an agent with ssh-add, and give --ssh default",
        ) from error


async def _converse(
    agent: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Both directions, until either side has enough."""
    with suppress(OSError):
        there_reader, there_writer = await asyncio.open_unix_connection(agent)
        ways = [
            asyncio.create_task(_pass_on(reader, there_writer)),
            asyncio.create_task(_pass_on(there_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            there_writer.close()
    writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
