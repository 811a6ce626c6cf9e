"""`amphora exec`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amphora.cli.containers import CONTAINER, STDIN, check_terminal, docker_status
from amphora.cli.guard import guarded
from amphora.cli.options import pass_settings
from amphora.cli.worker import run_async
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.runtime.beside import Beside


@click.command("exec", context_settings={"allow_interspersed_args": False})
@click.argument("name", type=CONTAINER, metavar="NAME")
@click.argument("arguments", nargs=-1, required=True, metavar="COMMAND...")
@click.option("-i", "--interactive", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option(
    "-e",
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="A variable; without value, yours.",
)
@click.option("-w", "--workdir", metavar="DIRECTORY", help="Where the command starts.")
@click.option("-u", "--user", metavar="USER[:GROUP]", help="Who runs the command.")
@pass_settings
def command(
    settings: Settings,
    *,
    name: str,
    arguments: tuple[str, ...],
    interactive: bool,
    tty: bool,
    variables: tuple[str, ...],
    workdir: str | None,
    user: str | None,
) -> None:
    """Run another command in a container that runs."""

    def execute() -> int:
        from amphora.cli.launch_values import read_environment
        from amphora.runtime.beside import Beside

        check_terminal(interactive=interactive, terminal=tty)
        program = Beside(
            arguments,
            read_environment((), variables, os.environ),
            workdir,
            user,
            interactive,
            tty,
        )
        return _execute(Path(settings.store), name, program)

    raise click.exceptions.Exit(docker_status(execute))


def _execute(root: Path, name: str, program: "Beside") -> int:
    from amphora.launch.live import find_container
    from amphora.runtime.beside import run_beside_it
    from amphora.runtime.foreground import PASSED_ON
    from amphora.system.namespace import run_beside
    from amphora.system.terminal import kept_as_it_is

    container = find_container(root, name)

    def inside() -> int:
        return run_async(run_beside_it(Path(container.bundle), container.name, program))

    with kept_as_it_is(STDIN):
        return run_beside(
            container.process,
            lambda: guarded(lambda: docker_status(inside)),
            passing_on=PASSED_ON,
        )
