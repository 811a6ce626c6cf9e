"""`amphora rm`."""

from pathlib import Path

import click

from amphora.cli.containers import ANY_CONTAINER
from amphora.cli.options import pass_settings
from amphora.core.settings import Settings


@click.command("rm")
@click.argument("names", nargs=-1, required=True, type=ANY_CONTAINER, metavar="NAME...")
@click.option("-f", "--force", is_flag=True, help="Kill those that run.")
@pass_settings
def command(settings: Settings, *, names: tuple[str, ...], force: bool) -> None:
    """Remove what is kept of containers that ended: what they wrote, and their exit status."""
    from amphora.launch.keeping import find_any, forget
    from amphora.launch.live import stop

    root = Path(settings.store)
    for each in [find_any(root, name) for name in names]:
        if force and each.state == "running":
            stop(root, each.container, 0)
        forget(root, each)
        click.echo(each.container.name)
