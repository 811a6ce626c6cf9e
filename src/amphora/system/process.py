"""Every program that Amphora starts is started here: no shell, a small environment, reaped.

A program gets what it needs to find other programs, the proxy settings and a
locale whose messages we can read; nothing else of our environment, so that no
secret leaks into a build by accident.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile

from msgspec import Struct

from amphora.core.errors import MissingToolError, ToolFailedError
from amphora.system.descendants import kill_with_descendants
from amphora.system.tasks import to_the_end

_PASSED_ON = ("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Seconds that a program gets to end in good order.
GRACE = 5.0

#: How much of a program's last words an error repeats.
_TAIL_LINES = 15


def find_tool(name: str, package: str) -> str:
    """The path of an installed program; raises MissingToolError with the Debian package."""
    places = filter(None, (os.environ.get("PATH"), _DEFAULT_PATH))
    path = shutil.which(name, path=":".join(places))
    if path is None:
        raise MissingToolError(
            f"{name} is not installed",
            why="it is not in any directory of PATH",
            next_command=f"sudo apt-get install {package}",
        )
    return path


def tool_version(name: str) -> str | None:
    """The last word of the first line that `name --version` prints; None if not installed.

    One without a digit is none: Debian 12's pasta calls its version unknown.
    """
    path = shutil.which(name)
    if path is None:
        return None
    line = run([path, "--version"]).decode(errors="replace").split("\n", 1)[0]
    word = (line.split() or [""])[-1]
    return word if any(map(str.isdigit, word)) else "unknown"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that programs are started with."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    inherited.setdefault("PATH", _DEFAULT_PATH)
    for name in _PROXIES:
        for spelling in (name, name.upper()):
            if spelling in os.environ:
                inherited[spelling] = os.environ[spelling]
    return {**inherited, "LC_ALL": "C.UTF-8", **(extra or {})}


def run(
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    extra_environment: Mapping[str, str] | None = None,
    patience: float | None = None,
) -> bytes:
    """Run a short program to its end and return its output, standard error included.

    It does not hear the terminal's Ctrl-C: what that means is for the caller to say.
    Raises ToolFailedError with the last lines it printed, or if it is killed because it has
    not ended after `patience` seconds.
    """
    try:
        finished = subprocess.run(
            arguments,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(extra_environment),
            check=False,
            start_new_session=True,
            timeout=patience,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(
            f"{os.path.basename(arguments[0])} did not end",  # noqa: PTH119
            why=f"it was waited for {patience:g} seconds",
            next_command="run it by hand to see more: " + " ".join(arguments),
        ) from error
    if finished.returncode != 0:
        raise tool_failed(arguments, exit_status(finished.returncode), finished.stdout)
    return finished.stdout


@contextmanager
def fed(
    arguments: Sequence[str], *, extra_environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Start a program; what is written to the descriptor is its standard input.

    At the end the descriptor is closed and the program waited for. Raises ToolFailedError if
    it failed, unless something is raised inside; it does not hear the terminal's Ctrl-C.
    """
    with TemporaryFile() as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(extra_environment),
            start_new_session=True,
        )
        with process:
            yield process.stdin.fileno() if process.stdin else -1
        if process.returncode != 0:
            output.seek(0)
            raise tool_failed(arguments, exit_status(process.returncode), output.read())


class Streams(Struct, frozen=True):
    """Descriptors for the input and the outputs of a program."""

    stdin: int
    stdout: int
    stderr: int


_NOWHERE = Streams(subprocess.DEVNULL, subprocess.DEVNULL, subprocess.DEVNULL)


def start_on(arguments: Sequence[str], streams: Streams = _NOWHERE) -> int:
    """Run a short program that leaves another one running on these streams; its exit status."""
    done = subprocess.run(
        arguments,
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        env=environment(),
        check=False,
        start_new_session=True,
    )
    return exit_status(done.returncode)


async def start(arguments: Sequence[str], streams: Streams) -> asyncio.subprocess.Process:
    """Start a long program on these streams; it is for the caller to end and to wait for."""
    return await asyncio.create_subprocess_exec(
        *arguments,
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
        env=environment(),
        start_new_session=True,
    )


def exit_status(returncode: int) -> int:
    """As shells tell it: 128 and the number for a signal."""
    return returncode if returncode >= 0 else 128 - returncode


async def stream(
    arguments: Sequence[str],
    on_output: Callable[[bytes], None],
    *,
    on_errors: Callable[[bytes], None] | None = None,
    extra_environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    grace: float = GRACE,
) -> int:
    """Run a long program, handing on its output as it comes; returns its exit status.

    Standard error is part of the output unless `on_errors` takes it. When the awaiting task is
    cancelled the program is told to end (SIGTERM) and, if it has not after `grace` seconds,
    killed with all that it started; it is always reaped.
    """
    # Open until the program has ended: it may have something to say while it does.
    with ExitStack() as stack:
        heard = [on_output, *([on_errors] if on_errors else [])]
        outputs = []
        with ExitStack() as write_ends:
            for _ in heard:
                output, write_end = await _open_pipe()
                stack.callback(output.close)
                write_ends.callback(os.close, write_end)
                outputs.append((output, write_end))
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=outputs[0][1],
                stderr=outputs[-1][1],
                env=environment(extra_environment),
                pass_fds=pass_fds,
                start_new_session=True,
            )
        try:
            await _hear(
                [(output.reader, hear) for (output, _), hear in zip(outputs, heard, strict=True)]
            )
            return exit_status(await process.wait())
        finally:
            await to_the_end(_end(process, grace))


class _Output(Struct, frozen=True):
    """The reading end of a pipe of our own.

    With asyncio's, waiting for a program would also wait for whoever else holds the pipe.
    """

    reader: asyncio.StreamReader
    close: Callable[[], None]


async def _hear(
    outputs: Sequence[tuple[asyncio.StreamReader, Callable[[bytes], None]]],
) -> None:
    """Hand on what comes, until all have come to their ends."""

    async def one(reader: asyncio.StreamReader, hear: Callable[[bytes], None]) -> None:
        while chunk := await reader.read(65536):
            hear(chunk)

    try:
        async with asyncio.TaskGroup() as group:
            for reader, hear in outputs:
                group.create_task(one(reader, hear))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _open_pipe() -> tuple[_Output, int]:
    reader = asyncio.StreamReader()
    read_end, write_end = os.pipe()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    return _Output(reader, transport.close), write_end


async def _end(process: asyncio.subprocess.Process, grace: float) -> None:
    if process.returncode is None and grace:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
    if process.returncode is None:
        kill_with_descendants(process.pid)
        await process.wait()


def tool_failed(arguments: Sequence[str], status: int, output: bytes) -> ToolFailedError:
    """The error for a program that failed, with the end of what it said."""
    lines = output.decode(errors="replace").strip().splitlines()[-_TAIL_LINES:]
    return ToolFailedError(
        f"{os.path.basename(arguments[0])} exited with status {status}",  # noqa: PTH119
        why="; ".join(lines) or "it printed nothing",
        next_command="run it by hand to see more: " + " ".join(arguments),
    )
