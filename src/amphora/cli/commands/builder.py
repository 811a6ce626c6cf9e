"""`amphora builder`."""

import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amphora.cli.builder_names import BUILDER
from amphora.cli.commands.builder_cache import disk_usage, prune
from amphora.cli.configuration import chosen_name, find_builder
from amphora.cli.containment import limited_group
from amphora.cli.foreign_flags import CreateCommand, check_driver, refuse_endpoint
from amphora.cli.options import format_option, pass_own_settings, platform_option
from amphora.cli.output import print_json, print_table
from amphora.cli.worker import call_in_worker, in_worker
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.builders.builder import Builder
    from amphora.builders.directory import Builders
    from amphora.system.cgroup_shared import SharedGroup


@click.group("builder")
def command() -> None:
    """Make, choose, list, stop and remove builders; see what their caches take, and prune them.

    A builder is a store of its own, with images, cache and history that no other builder sees,
    and may have fixed platforms and limits. No daemon runs for it. `default` is always there.
    """


for each in (disk_usage, prune):
    command.add_command(each)


@command.command(cls=CreateCommand)
@click.argument(
    "endpoint", required=False, expose_value=False, callback=refuse_endpoint, metavar=""
)
@click.option("--name", type=BUILDER, help="What to call it. Default: a word of its own.")
@click.option("--use", is_flag=True, help="Work with it from now on.")
@click.option(
    "--bootstrap",
    is_flag=True,
    help="Make its store, and prove by execution what it promises: containers, platforms.",
)
@platform_option("All that it builds for, comma-separated. Default: what this machine can run.")
@click.option("-m", "--memory", metavar="SIZE", help="The most memory its containers may take.")
@click.option("--cpus", type=click.FloatRange(min=0.01), help="The most CPUs they may use.")
@click.option(
    "--jobs", type=click.IntRange(min=1), metavar="N", help="The most steps at once of a build."
)
@click.option(
    "--driver",
    expose_value=False,
    callback=check_driver,
    metavar="docker-container",
    help="What buildx calls builders that are apart from others, as all are here.",
)
@pass_own_settings
def create(
    settings: Settings,
    /,
    *,
    name: str | None,
    use: bool,
    bootstrap: bool,
    platforms: tuple[Platform, ...],
    memory: str | None,
    cpus: float | None,
    jobs: int | None,
) -> None:
    """Make a builder, and print its name.

    The limits of memory and CPUs are for the containers of all its builds together. Where they
    cannot be kept, no builder is made.
    """
    import time

    from amphora.builders.builder import Builder
    from amphora.builders.directory import Builders
    from amphora.cli.launch_values import read_together
    from amphora.oci.config import timestamp

    builders = Builders(Path(settings.builder_directory))
    name = name or f"builder-{secrets.token_hex(3)}"
    limits = read_together(memory, cpus, None)
    created = timestamp(time.time())
    builder = Builder(name, builders.place(name), platforms, limits, jobs or 0, created)

    def make(group: "SharedGroup | None") -> None:
        prove = partial(_prove, group=group) if bootstrap else None
        builders.create(builder, use=use, prove=prove)
        click.echo(builder.name)
        if use:
            _tell_if_another(settings, builder.name)

    with limited_group(builder) as group:
        status = call_in_worker(lambda: make(group))
    raise click.exceptions.Exit(status)


@command.command()
@click.argument("name", type=BUILDER)
@pass_own_settings
def use(settings: Settings, *, name: str) -> None:
    """Have all commands work with a builder, unless another or a store is named."""
    from amphora.builders.directory import Builders

    Builders(Path(settings.builder_directory)).use(name)
    _tell_if_another(settings, name)


@command.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only their names.")
@format_option
@pass_own_settings
def list_builders(settings: Settings, *, quiet: bool, output_format: str) -> None:
    """List the builders; a star is at the one that commands work with."""
    from amphora.cli.builders import all_builders, builder_row, plain_builder

    found, in_use = all_builders(settings), chosen_name(settings)
    if quiet:
        for each in found:
            click.echo(each.name)
    elif output_format == "json":
        print_json([plain_builder(each, in_use) for each in found])
    else:
        rows = [builder_row(each, in_use) for each in found]
        print_table(("NAME", "STATUS", "PLATFORMS", "LIMITS"), rows)


@command.command()
@click.argument("name", type=BUILDER, required=False)
@click.option("--bootstrap", is_flag=True, help="Prove first, by execution, what it promises.")
@format_option
@pass_own_settings
def inspect(settings: Settings, *, name: str | None, bootstrap: bool, output_format: str) -> None:
    """Show a builder: by default the one that commands work with."""
    from amphora.cli.builders import builder_lines, plain_builder

    in_use = chosen_name(settings)
    builder = find_builder(settings, name or in_use)
    if bootstrap:
        with limited_group(builder) as group:
            status = call_in_worker(lambda: _prove(builder, group))
        if status:
            raise click.exceptions.Exit(status)
    if output_format == "json":
        print_json(plain_builder(builder, in_use))
        return
    for title, value in builder_lines(builder, in_use):
        if value:
            click.echo(f"{title + ':':<12}{value}")


@command.command("rm")
@click.argument("names", type=BUILDER, nargs=-1, metavar="[NAME]...")
@click.option("--all-inactive", is_flag=True, help="All in which nothing is built now.")
@click.option("-f", "--force", is_flag=True, help="End its builds first; do not ask.")
@click.option("--keep-state", is_flag=True, help="Keep its store for the next one of its name.")
@pass_own_settings
def remove(
    settings: Settings, *, names: tuple[str, ...], all_inactive: bool, force: bool, keep_state: bool
) -> None:
    """Remove builders with all that is in their stores, images too: by default the one in use."""
    from amphora.build.stopping import stop_builds
    from amphora.builders.directory import Builders

    if names and all_inactive:
        raise InvalidValueError(
            "names and --all-inactive cannot be given together",
            why="each says which builders to remove",
            next_command="leave one of them out",
        )
    builders = Builders(Path(settings.builder_directory))
    chosen = _inactive(builders, force=force) if all_inactive else names or (chosen_name(settings),)
    if force and not all_inactive:
        for name in chosen:
            stop_builds(builders.place(name))

    @in_worker
    def put_away() -> None:
        for name in chosen:
            builders.remove(name, keep_state=keep_state)
            click.echo(name)

    put_away()


@command.command()
@click.argument("name", type=BUILDER, required=False)
@pass_own_settings
def stop(settings: Settings, *, name: str | None) -> None:
    """End the builds that run in a builder, as Ctrl-C does; print their IDs."""
    from amphora.build.stopping import stop_builds

    builder = find_builder(settings, name or chosen_name(settings))
    for record in stop_builds(builder.store):
        click.echo(record.id)


def _tell_if_another(settings: Settings, name: str) -> None:
    """That one was put in use may have no effect."""
    chosen = chosen_name(settings)
    if chosen != name:
        click.echo(
            f"note: here the builder is still {chosen}: a flag, the environment or the"
            " configuration file names it, or a store",
            err=True,
        )


def _inactive(builders: "Builders", *, force: bool) -> list[str]:
    """Those in which nothing is built; asks first."""
    from amphora.build.history import running_builds

    idle = [each.name for each in builders.all() if not running_builds(each.store)]
    if idle and not force:
        click.confirm(f"Remove {', '.join(idle)} with all that is in them?", abort=True)
    return idle


def _prove(builder: "Builder", group: "SharedGroup | None") -> None:
    from amphora.builders.proof import prove
    from amphora.cli.worker import run_async

    run_async(prove(builder, group))
