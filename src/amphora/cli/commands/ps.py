"""`amphora ps`."""

import shlex
from pathlib import Path
from typing import Any

import click
import msgspec

from amphora.cli.options import format_option, pass_settings
from amphora.cli.output import print_json, print_table
from amphora.core.settings import Settings


@click.command("ps")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that ended, until `rm`.")
@click.option("-q", "--quiet", is_flag=True, help="Only their names.")
@format_option
@pass_settings
def command(settings: Settings, *, everything: bool, quiet: bool, output_format: str) -> None:
    """List the containers that run; with -a also those from the background that ended."""
    from amphora.launch.keeping import all_containers

    found = all_containers(Path(settings.store))
    shown = [each for each in found if everything or each.state == "running"]
    if quiet:
        for each in shown:
            click.echo(each.container.name)
    elif output_format == "json":
        documents: list[dict[str, Any]] = [
            {
                **msgspec.to_builtins(each.container),
                "state": each.state,
                "exit_code": each.status,
                "finished": each.finished or None,
            }
            for each in shown
        ]
        print_json(documents)
    else:
        print_table(
            ("NAME", "IMAGE", "PLATFORM", "RAN", "STATUS", "STARTED", "COMMAND"),
            [
                (
                    *(it.name, it.image, it.platform, it.ran, each.what, it.started),
                    shlex.join(it.arguments),
                )
                for each in shown
                for it in (each.container,)
            ],
        )
