"""`amphora wait`."""

from pathlib import Path

import click

from amphora.cli.containers import ANY_CONTAINER
from amphora.cli.options import pass_settings
from amphora.core.settings import Settings


@click.command("wait")
@click.argument("names", nargs=-1, required=True, type=ANY_CONTAINER, metavar="NAME...")
@pass_settings
def command(settings: Settings, *, names: tuple[str, ...]) -> None:
    """Wait for the end of containers, one after the other, and print their exit status.

    It is 137 for one that was killed together with the Amphora that ran it.
    """
    from amphora.launch.keeping import find_any, status_at_end

    root = Path(settings.store)
    for each in [find_any(root, name) for name in names]:
        click.echo(status_at_end(root, each))
