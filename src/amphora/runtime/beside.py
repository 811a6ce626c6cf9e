"""Another program in a container that runs: where its first one is, confined as that is.

Runs in the namespaces of the worker that the container belongs to.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from amphora.runtime.attached import Attached, attached
from amphora.runtime.container import crun_command
from amphora.runtime.foreground import not_begun, signals_passed_on
from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import User
from amphora.system.memory import scratch_directory
from amphora.system.process import exit_status, find_tool, start


@dataclass(frozen=True, slots=True)
class Beside:
    """A program for a container; what is None is as with the container's first one."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_directory: str | None = None
    user: str | None = None
    interactive: bool = False
    terminal: bool = False


async def run_beside_it(bundle: Path, name: str, program: Beside) -> int:
    """Run a program in the container of a bundle to its end; returns its exit status.

    Raises CommandNotFoundError, NotExecutableError, InvalidValueError and ToolFailedError.
    """
    config = msgspec.json.decode((bundle / "config.json").read_bytes())
    process = process_of(config, program)
    with scratch_directory(bundle) as area:
        (area / "process.json").write_bytes(msgspec.json.encode(process))
        async with attached(
            interactive=program.interactive, terminal=program.terminal, area=area
        ) as streams:
            status = await _execute(
                crun_command(find_tool("crun", "crun"), bundle), name, area, streams
            )
            log = area / "log"
            said = log.read_text(errors="replace").strip() if log.exists() else ""
            if said:
                raise not_begun(program.arguments[0], said.splitlines()[-1:], status)
            await streams.drained()
            return status


async def _execute(crun: Sequence[str], name: str, area: Path, streams: Attached) -> int:
    console = ["--console-socket", str(streams.console)] if streams.console else []
    program, *options = crun
    command = [
        *(program, "--log", f"file:{area}/log", *options, "exec"),
        *("--process", f"{area}/process.json", *console, name),
    ]
    process = await start(command, streams.streams)
    ended = asyncio.ensure_future(process.wait())
    wanted = asyncio.ensure_future(streams.wanted())
    try:
        await asyncio.wait([ended, wanted], return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            streams.begin()

        def send(number: int) -> None:
            with suppress(ProcessLookupError):
                process.send_signal(number)

        with signals_passed_on(send, streams):
            return exit_status(await ended)
    finally:
        wanted.cancel()
        if process.returncode is None:
            process.kill()
        await ended


def process_of(config: Mapping[str, Any], program: Beside) -> dict[str, Any]:
    """The `process` object of the container, changed to be this program's."""
    first = config["process"]
    variables = dict(entry.partition("=")[::2] for entry in first["env"])
    changed = {
        "args": list(program.arguments),
        "terminal": program.terminal,
        "cwd": program.working_directory or first["cwd"],
    }
    if program.user is not None:
        user = resolve_user(Path(config["root"]["path"]), program.user)
        variables["HOME"] = user.home
        changed |= _identity(user, first)
    terminal = {"TERM": "xterm"} if program.terminal else {}
    variables = {**terminal, **variables, **program.environment}
    return {**first, **changed, "env": [f"{key}={value}" for key, value in variables.items()]}


def _identity(user: User, first: Mapping[str, Any]) -> dict[str, Any]:
    bounding = first["capabilities"]["bounding"]
    keeps = bounding if user.uid == 0 else []
    return {
        "user": {
            **first["user"],
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": list(user.groups),
        },
        "capabilities": {"bounding": bounding, "effective": keeps, "permitted": keeps},
    }
