"""A container in the foreground: its input, output, signals and exit status are our own.

Or those of whoever stands in for us where nobody looks; see runtime.journal.

Begun in two steps, `crun create` and `crun start`: what is wrong with the container is told
before its program runs, and the program is our own child, whose end we see as it was.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from amphora.core.errors import (
    AmphoraError,
    CommandNotFoundError,
    NotExecutableError,
    ToolFailedError,
)
from amphora.runtime.attached import OWN, Attached, attached
from amphora.runtime.container import Runtime
from amphora.runtime.crash import Crash, crash_ended
from amphora.runtime.spec import Container
from amphora.system.cgroups import Group
from amphora.system.child import Child
from amphora.system.process import Streams, start_on
from amphora.system.terminal import has_controlling_terminal

#: What is passed on to the container's first process, as docker does.
PASSED_ON = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    *(signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
)

#: This many requests to stop, and the container is killed: it may not hear any.
PATIENCE = 3
REQUESTS = frozenset({signal.SIGINT, signal.SIGTERM})

#: Seconds that a container has for ending after its terminal has gone.
_GRACE = 10.0

#: What crun says in the container's place if the kernel does not take its program.
_REFUSED = b"exec container process"


async def run_in_foreground(
    runtime: Runtime,
    name: str,
    container: Container,
    *,
    interactive: bool,
    ends: Streams = OWN,
    group: Group | None = None,
    on_start: Callable[[Path], None] = lambda _bundle: None,
    on_crash: Callable[[Crash], None] = lambda _crash: None,
) -> int:
    """Run a container to its end; returns its exit status, 128 and the number for a signal.

    It runs in a control group, if there is one; `ends` are where its input comes from and its
    output goes to. `on_start` is given the directory of its bundle; `on_crash` is told if its
    first process crashed in QEMU, which ends it.
    Raises CommandNotFoundError, NotExecutableError, and ToolFailedError for what crun
    cannot do. However this ends, nothing of the container is left running.
    """
    with runtime.bundled(name, container) as (bundle, crun):
        async with attached(
            interactive=interactive, terminal=container.terminal, area=bundle, ends=ends
        ) as streams:
            with group.joined() if group else nullcontext():
                process = _created(name, container, bundle, crun, streams)
            async with Child(process) as child:
                streams.begin()
                with signals_passed_on(child.send, streams):
                    _crun([*crun, "start", name], bundle, container)
                    on_start(bundle)
                    async with crash_ended(lambda: process) as watch:
                        status = await child.ended()
            said = await streams.drained()
        if watch.crash is not None:
            on_crash(watch.crash)
            return watch.crash.status
    if status == 1 and _REFUSED in said:
        raise _refused(container, said.decode(errors="replace").strip())
    return status


@contextmanager
def signals_passed_on(send: Callable[[int], None], streams: Attached) -> Iterator[None]:
    """While this lasts, no signal is for us: those of PASSED_ON are sent on.

    One after the other, three requests to stop become SIGKILL.
    """
    loop = asyncio.get_running_loop()
    passing = _Passing(send, had_terminal=has_controlling_terminal())
    before = {number: signal.getsignal(number) for number in PASSED_ON}
    heard = [number for number in PASSED_ON if before[number] is not signal.SIG_IGN]
    task = asyncio.current_task()
    for number in heard:
        loop.add_signal_handler(number, partial(passing.on, number))
    loop.add_signal_handler(signal.SIGWINCH, streams.resize)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        for number in heard:
            if task is not None and number in {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}:
                loop.add_signal_handler(number, task.cancel)
            else:
                loop.remove_signal_handler(number)
        passing.close()


class _Passing:
    def __init__(self, send: Callable[[int], None], *, had_terminal: bool) -> None:
        self._send = send
        self._had_terminal = had_terminal
        self._requests = 0
        self._deadline: asyncio.TimerHandle | None = None

    def on(self, number: int) -> None:
        self._requests += number in REQUESTS
        self._send(signal.SIGKILL if self._requests >= PATIENCE else number)
        if number == signal.SIGHUP and self._had_terminal and not has_controlling_terminal():
            # Nobody is there any more to stop what did not hear it.
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(_GRACE, self._send, signal.SIGKILL)

    def close(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _created(
    name: str, container: Container, bundle: Path, crun: Sequence[str], streams: Attached
) -> int:
    """Make everything of a container but start its program; returns the PID it will have."""
    pid_file = bundle / "pid"
    console = ["--console-socket", str(streams.console)] if streams.console else []
    command = [*crun, "create", "--bundle", str(bundle), "--pid-file", str(pid_file), *console]
    _crun([*command, name], bundle, container, streams.streams)
    return int(pid_file.read_text())


def _crun(
    command: Sequence[str], bundle: Path, container: Container, streams: Streams | None = None
) -> None:
    log = bundle / "log"
    program, *arguments = command
    logged = [program, "--log", f"file:{log}", *arguments]
    status = start_on(logged, streams) if streams else start_on(logged)
    if status != 0:
        said = log.read_text(errors="replace").strip() if log.exists() else ""
        raise not_begun(container.arguments[0], said.splitlines()[-1:], status)


def not_begun(program: str, said: Sequence[str], status: int) -> AmphoraError:
    """Why crun did not start a program, by the last line of its log."""
    reason = said[0] if said else f"status {status}, and no word"
    if "executable" in reason:
        if "No such file" in reason:
            return CommandNotFoundError(
                f"{program} is not in the container",
                why="there is no such file in the directories of its PATH"
                if "/" not in program
                else "there is no such file",
                next_command="give another command, or --entrypoint",
            )
        return NotExecutableError(
            f"{program} cannot be executed",
            why="it is a directory or its mode does not allow it",
            next_command="give another command, or chmod +x it in the image",
        )
    return ToolFailedError(
        "crun could not make the container",
        why=reason,
        next_command="correct what it names; mounts, --workdir and --user are what it checks",
    )


def _refused(container: Container, said: str) -> NotExecutableError:
    program = container.arguments[0]
    if "Exec format error" in said:
        why = "it is no program of the CPU that the image says it is for, nor a script with #!"
    else:
        why = "its loader, or the interpreter that its #! line names, is not in the container"
    return NotExecutableError(
        f"{program} cannot be executed",
        why=why,
        next_command="amphora verify IMAGE tells what is in the image",
    )
