"""`amphora stop`."""

from pathlib import Path

import click

from amphora.cli.containers import CONTAINER
from amphora.cli.options import pass_settings
from amphora.core.settings import Settings


@click.command("stop")
@click.argument("names", nargs=-1, required=True, type=CONTAINER, metavar="NAME...")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Seconds until a container that does not end is killed.",
)
@pass_settings
def command(settings: Settings, *, names: tuple[str, ...], timeout: float) -> None:
    """End containers: ask them with the image's STOPSIGNAL, then kill them."""
    from amphora.launch.live import find_container, stop

    root = Path(settings.store)
    for container in [find_container(root, name) for name in names]:
        stop(root, container, timeout)
        click.echo(container.name)
