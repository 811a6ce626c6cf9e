"""`amphora volume`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from amphora.cli.completing import Completing, completing_store
from amphora.cli.options import format_option, pass_settings
from amphora.cli.output import print_json, print_table
from amphora.cli.worker import in_worker
from amphora.core.errors import InvalidValueError
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.launch.volumes import KnownVolume


class VolumeName(Completing[str]):
    """The name of a volume; completes."""

    name = "volume"

    def names(self, context: click.Context) -> Iterator[str]:
        from amphora.launch.volumes import Volumes

        yield from (each.name for each in Volumes(completing_store(context)).all())


VOLUME = VolumeName()


@click.group("volume")
def command() -> None:
    """Make, list and remove volumes: directories with a name, for `amphora run -v NAME:…`.

    They are in the store and outlive containers. One that is new gets what the image has at
    the place where it is shown.
    """


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@pass_settings
def create(settings: Settings, *, names: tuple[str, ...]) -> None:
    """Make volumes; one that is there is left as it is. `amphora run -v` makes them too."""
    from amphora.cli.access import open_store
    from amphora.cli.launch_values import check_volume_name
    from amphora.launch.volumes import Volumes

    for name in names:
        check_volume_name("NAME", name, name)
    with open_store(settings) as store:
        for name in names:
            Volumes(store.root).create(name)
            click.echo(name)


@command.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only their names.")
@format_option
@pass_settings
def list_volumes(settings: Settings, *, quiet: bool, output_format: str) -> None:
    """List the volumes, and whether a container uses them now."""
    from amphora.launch.volumes import Volumes

    known = Volumes(Path(settings.store)).all()
    if quiet:
        for each in known:
            click.echo(each.name)
    elif output_format == "json":
        print_json([_document(each) for each in known])
    else:
        rows = [(each.name, each.created, "yes" if each.in_use else "no") for each in known]
        print_table(("NAME", "CREATED", "IN USE"), rows)


@command.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=VOLUME)
@pass_settings
def inspect(settings: Settings, *, names: tuple[str, ...]) -> None:
    """Show volumes as JSON: where they are on this machine, how old, whether in use."""
    from amphora.launch.volumes import Volumes

    volumes = Volumes(Path(settings.store))
    print_json([_document(volumes.find(name)) for name in names])


@command.command("rm")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=VOLUME)
@pass_settings
def remove(settings: Settings, *, names: tuple[str, ...]) -> None:
    """Remove volumes with all that is in them; not those that a container uses."""
    _remove(settings, names)


@command.command()
@click.option("-a", "--all", "named", is_flag=True, help="Volumes that have a name: all of them.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@pass_settings
def prune(settings: Settings, *, named: bool, force: bool) -> None:
    """Remove all volumes that no container uses now, with all that is in them."""
    from amphora.launch.volumes import Volumes

    if not named:
        raise InvalidValueError(
            "nothing is removed",
            why="without -a, docker's prune removes none that has a name, and all here have one",
            next_command="amphora volume prune -a",
        )
    free = [each.name for each in Volumes(Path(settings.store)).all() if not each.in_use]
    if free and not force:
        click.confirm(f"Remove {', '.join(free)} with all that is in them?", abort=True)
    _remove(settings, free)


@in_worker
def _remove(settings: Settings, names: Sequence[str]) -> None:
    """In the worker: what is in them belongs to users of containers."""
    from amphora.cli.access import open_store
    from amphora.launch.volumes import Volumes

    with open_store(settings) as store:
        for name in names:
            Volumes(store.root).remove(name)
            click.echo(name)


def _document(known: "KnownVolume") -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(known)
    return document
