"""What to run, by the flags and by what the image says: docker's rules of who wins."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from amphora.core.errors import InvalidValueError, MissingToolError
from amphora.launch.request import LaunchRequest
from amphora.oci.config import ContainerConfig
from amphora.runtime.foreground import PASSED_ON
from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import Bind, Container, Memory, Network
from amphora.system.process import find_tool

#: Static programs that do nothing but pass signals on and reap, and where they are shown.
_INITS = ("tini-static", "catatonit")
_INIT_AT = "/dev/init"


def assemble(
    request: LaunchRequest,
    start: ContainerConfig,
    root: Path,
    network: Network,
    mounts: Sequence[Bind | Memory],
) -> Container:
    """The container of a mounted root, with what the image says of it in `start`.

    Raises InvalidValueError, and MissingToolError for --init.
    """
    allowed = request.allowances
    terminal = {"TERM": "xterm"} if request.terminal else {}
    container = Container(
        root=root,
        arguments=_arguments(request, start),
        environment={**terminal, **_variables(start), **request.environment},
        working_directory=request.working_directory or start.working_dir or "/",
        user=resolve_user(root, start.user if request.user is None else request.user),
        binds=mounts,
        hostname=request.hostname,
        read_only_root=allowed.read_only,
        network=network,
        limits=allowed.limits,
        capabilities=allowed.capabilities,
        terminal=request.terminal,
    )
    if allowed.shared_memory is not None:
        container = replace(container, shared_memory=allowed.shared_memory)
    return _with_init(container) if request.init else container


def stop_signal(text: str) -> int:
    """STOPSIGNAL, as a name or a number, if it is one that reaches the container; else SIGTERM."""
    passed_on = {text: number for number in PASSED_ON for text in _spellings(number)}
    return passed_on.get(text.upper(), signal.SIGTERM)


def _variables(start: ContainerConfig) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in start.env or ())


def _arguments(request: LaunchRequest, start: ContainerConfig) -> Sequence[str]:
    """Docker's rule: another entry point takes nothing of the image's command."""
    if request.entrypoint is not None:
        arguments = (*request.entrypoint, *request.command)
    else:
        arguments = (*(start.entrypoint or ()), *(request.command or start.cmd or ()))
    if not arguments:
        raise InvalidValueError(
            "there is nothing to run",
            why="the image has neither ENTRYPOINT nor CMD, and no command was given",
            next_command="amphora run IMAGE COMMAND",
        )
    return arguments


def _spellings(number: signal.Signals) -> tuple[str, ...]:
    return (number.name, number.name.removeprefix("SIG"), str(int(number)))


def _with_init(container: Container) -> Container:
    """With a first process that passes signals on and reaps, whatever CPU the rest is for.

    Raises MissingToolError where no such program is installed.
    """
    for name in _INITS:
        with suppress(MissingToolError):
            program = Path(find_tool(name, "tini"))
            return replace(
                container,
                arguments=[_INIT_AT, "--", *container.arguments],
                binds=[*container.binds, Bind(program, _INIT_AT)],
            )
    raise MissingToolError(
        "no program for --init is installed",
        why="neither tini-static nor catatonit is in any directory of PATH",
        next_command="sudo apt-get install tini",
    )
