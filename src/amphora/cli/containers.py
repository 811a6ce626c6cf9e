"""What `run` and `exec` have in common: docker's exit codes, names that complete."""

import os
from collections.abc import Callable, Iterator

import click

from amphora.cli.completing import Completing, completing_store
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


class ContainerName(Completing[str]):
    """The name of a container, or how it begins; completes.

    With `kept`, not of those that run alone.
    """

    name = "container"

    def __init__(self, *, kept: bool = False) -> None:
        self._kept = kept

    def names(self, context: click.Context) -> Iterator[str]:
        from amphora.launch.keeping import all_containers

        for each in all_containers(completing_store(context)):
            if self._kept or each.state == "running":
                yield each.container.name


CONTAINER = ContainerName()
ANY_CONTAINER = ContainerName(kept=True)
