"""`amphora history`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amphora.cli.options import format_option, pass_settings
from amphora.cli.output import print_json, print_table
from amphora.core.errors import InvalidValueError
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.build.history import BuildRecord

_build = click.argument("name", default="^0", metavar="[BUILD]")


@click.group("history")
def command() -> None:
    """Look at builds of before, and at those under way.

    BUILD is an ID, or its beginning, or ^0 for the newest build, ^1 for the one before.
    """


@command.command("ls")
@format_option
@pass_settings
def list_builds(settings: Settings, *, output_format: str) -> None:
    """List builds, the newest first."""
    from amphora.build.history import builds

    found = builds(Path(settings.store))
    if output_format == "json":
        print_json([_plain(record) for record in found])
        return
    rows = [
        (record.id, record.name, record.status, record.started, f"{record.seconds:.1f}s")
        for record in found
    ]
    print_table(("BUILD ID", "NAME", "STATUS", "STARTED", "DURATION"), rows)


@command.command()
@_build
@format_option
@pass_settings
def inspect(settings: Settings, *, name: str, output_format: str) -> None:
    """Show what was asked for, what came of it, and where each step ran."""
    from amphora.build.history import find_build

    record = find_build(Path(settings.store), name)
    if output_format == "json":
        print_json(_plain(record))
        return
    for title, value in _described(record):
        if value:
            click.echo(f"{title + ':':<14}{value}")
    if record.steps:
        click.echo()
        rows = [
            (step.platform, step.title, step.ran, f"{step.seconds:.1f}s") for step in record.steps
        ]
        print_table(("PLATFORM", "STEP", "RAN", "DURATION"), rows)


@command.command()
@_build
@pass_settings
def logs(settings: Settings, *, name: str) -> None:
    """Print what a build showed, as --progress=plain shows it."""
    from amphora.build.history import find_build, open_log

    root = Path(settings.store)
    with open_log(root, find_build(root, name)) as log:
        for line in log:
            click.echo(line, nl=False)


@command.command("rm")
@click.argument("names", nargs=-1, metavar="BUILD...")
@click.option("--all", "everything", is_flag=True, help="All builds that are over.")
@pass_settings
def remove(settings: Settings, *, names: tuple[str, ...], everything: bool) -> None:
    """Forget builds that are over; images and what steps came to stay."""
    from amphora.build.history import builds, find_build, forget

    if everything == bool(names):
        raise InvalidValueError(
            "it is not clear which builds to forget",
            why="neither builds nor --all are named" if not everything else "both are named",
            next_command="amphora history rm BUILD..., or amphora history rm --all",
        )
    root = Path(settings.store)
    forget(root, builds(root) if everything else [find_build(root, name) for name in names])


def _described(record: "BuildRecord") -> Sequence[tuple[str, str]]:
    cached = sum(step.ran == "cached" for step in record.steps)
    return (
        ("ID", record.id),
        ("Name", record.name),
        ("Context", record.context),
        ("Dockerfile", record.dockerfile),
        ("Target", record.target),
        ("Platforms", ", ".join(record.platforms)),
        ("Tags", ", ".join(record.tags)),
        ("Build args", ", ".join(record.build_args)),
        ("Started", record.started),
        ("Duration", f"{record.seconds:.1f}s"),
        ("Status", record.status),
        ("Error", record.error),
        ("Digest", record.digest),
        ("Steps", f"{len(record.steps)}, of which cached {cached}" if record.steps else ""),
    )


def _plain(record: "BuildRecord") -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain
