"""`amphora store`."""

import click

from amphora.cli.options import format_option, pass_settings
from amphora.cli.output import human_size, print_json, print_table
from amphora.cli.worker import in_worker
from amphora.core.errors import StoreError
from amphora.core.settings import Settings


@click.group("store")
def command() -> None:
    """Check and clean the store of images and layers."""


@command.command()
@format_option
@pass_settings
@in_worker
def check(settings: Settings, output_format: str) -> None:
    """Read everything in the store and say what is wrong with it."""
    from amphora.cli.access import open_store

    with open_store(settings) as store:
        problems = store.check()
    rows = [(problem.kind, problem.subject, problem.sentence) for problem in problems]
    if output_format == "json":
        print_json([dict(zip(("kind", "subject", "sentence"), row, strict=True)) for row in rows])
    elif rows:
        print_table(("KIND", "SUBJECT", "PROBLEM"), rows)
    else:
        click.echo(f"{settings.store} is clean")
    if problems:
        raise StoreError(
            f"the store {settings.store} has {len(problems)} problem(s)",
            why=problems[0].sentence,
            next_command="remove the images concerned with `amphora image rm` and make them again",
        )


@command.command("cache-mounts")
@format_option
@pass_settings
@in_worker
def cache_mounts(settings: Settings, output_format: str) -> None:
    """List the directories that RUN --mount=type=cache has filled."""
    from datetime import UTC, datetime

    from amphora.cli.access import open_store
    from amphora.oci.cache_mounts import CacheMounts

    with open_store(settings) as store:
        kept = CacheMounts(store.root).kept()
    used = [datetime.fromtimestamp(int(cache.used), UTC).isoformat() for cache in kept]
    if output_format == "json":
        print_json(
            [
                {"id": cache.id, "copies": cache.copies, "size": cache.size, "used": when}
                for cache, when in zip(kept, used, strict=True)
            ]
        )
    else:
        rows = [
            (cache.id, cache.copies, human_size(cache.size), when)
            for cache, when in zip(kept, used, strict=True)
        ]
        print_table(("ID", "COPIES", "SIZE", "USED"), rows)


@command.command()
@click.option("--cache", is_flag=True, help="Forget the build cache too.")
@click.option(
    "--cache-mounts", is_flag=True, help="Delete the directories of RUN --mount=type=cache too."
)
@pass_settings
@in_worker
def gc(settings: Settings, *, cache: bool, cache_mounts: bool) -> None:
    """Delete what no image and no cached step needs."""
    from amphora.cli.access import collect_garbage

    freed = collect_garbage(settings, cache=cache, cache_mounts=cache_mounts)
    click.echo(f"freed {human_size(freed.size)} in {freed.count} pieces")
