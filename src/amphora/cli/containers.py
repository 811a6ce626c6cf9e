"""What `run` and `exec` have in common: docker's exit codes, names that complete."""

import os
from collections.abc import Callable
from contextlib import suppress

import click
from click.shell_completion import CompletionItem

from amphora.cli.configuration import completing_store
from amphora.cli.guard import show_error
from amphora.core.errors import (
    AmphoraError,
    CommandNotFoundError,
    InvalidValueError,
    NotExecutableError,
)

#: What docker ends with when it is not the command that failed.
EXIT_OURS = 125

#: By number: Python has no sys.stdin where it was closed.
STDIN = 0


def docker_status(function: Callable[[], int]) -> int:
    """What it returns; of our errors only those about the command keep their exit code."""
    try:
        return function()
    except (CommandNotFoundError, NotExecutableError):
        raise
    except AmphoraError as error:
        show_error(error)
        return EXIT_OURS


def check_terminal(*, interactive: bool, terminal: bool) -> None:
    """Raises InvalidValueError if a terminal is asked for where there is none to type at."""
    if terminal and interactive and not os.isatty(STDIN):
        raise InvalidValueError(
            "-t and -i need a terminal",
            why="standard input is none",
            next_command="leave -t out",
        )


class ContainerName(click.ParamType[str]):
    """The name of a container, or how it begins; completes.

    With `kept`, not of those that run alone.
    """

    name = "container"

    def __init__(self, *, kept: bool = False) -> None:
        self._kept = kept

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del param
        from amphora.launch.keeping import all_containers

        names: list[str] = []
        # Whoever completes a word wants no error.
        with suppress(OSError, AmphoraError):
            root = completing_store(ctx.find_root().params)
            names = [
                each.container.name
                for each in all_containers(root)
                if self._kept or each.state == "running"
            ]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


CONTAINER = ContainerName()
ANY_CONTAINER = ContainerName(kept=True)
