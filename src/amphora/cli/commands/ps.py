"""`amphora ps`."""

import shlex
from pathlib import Path

import click
import msgspec

from amphora.cli.options import format_option, pass_settings
from amphora.cli.output import print_json, print_table
from amphora.core.settings import Settings


@click.command("ps")
@format_option
@pass_settings
def command(settings: Settings, *, output_format: str) -> None:
    """List the containers that run now."""
    from amphora.launch.live import live_containers

    containers = live_containers(Path(settings.store))
    if output_format == "json":
        print_json([msgspec.to_builtins(container) for container in containers])
        return
    rows = [
        (each.name, each.image, each.platform, each.ran, each.started, shlex.join(each.arguments))
        for each in containers
    ]
    print_table(("NAME", "IMAGE", "PLATFORM", "RAN", "STARTED", "COMMAND"), rows)
