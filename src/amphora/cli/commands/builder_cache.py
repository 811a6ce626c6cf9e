"""`amphora builder du` and `amphora builder prune`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amphora.cli.options import format_option, pass_settings
from amphora.cli.output import human_size, print_json
from amphora.cli.worker import in_worker
from amphora.core.settings import Settings

if TYPE_CHECKING:
    from amphora.build.pruning.filters import Filter
    from amphora.build.pruning.limits import Limits

_filters = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only what matches all of them: until=24h (not used since), type=, description=, id=,"
    " parents=; !=, ~= (regular expression); inuse, shared, private, mutable, immutable.",
)

_WARNING = "The build cache will be removed{limited}; images keep all that they need. Go on?"
_LIMITED = " as far as the filters and limits say"


@click.command("du")
@_filters
@click.option("--verbose", is_flag=True, help="All that is known of each, in lines of its own.")
@format_option
@pass_settings
@in_worker
def disk_usage(
    settings: Settings, *, filters: tuple[str, ...], verbose: bool, output_format: str
) -> None:
    """Show what the build cache takes on the disk.

    An asterisk after an ID: builds change it. After a size: images need some of it as well.
    """
    from amphora.build.pruning.filters import matching, read_filters
    from amphora.build.pruning.prune import entries_of
    from amphora.cli.access import open_store
    from amphora.cli.disk_usage import described, print_details, print_entries, print_totals

    now = time.time()
    wanted = read_filters(filters, now)
    with open_store(settings) as store:
        found = matching(entries_of(store), wanted)
    found.sort(key=lambda entry: (-entry.size, entry.used))
    if output_format == "json":
        print_json(described(found))
        return
    if verbose:
        print_details(found, now)
    else:
        print_entries(found, now)
    print_totals(found)


@click.command("prune")
@click.option(
    "-a",
    "--all",
    "internal",
    is_flag=True,
    help="Also what can be made again from images here: their unpacked layers; and, without"
    " filters and limits, all that builds have measured.",
)
@_filters
@click.option("--max-used-space", metavar="SIZE", help="Remove until it takes no more: 10gb.")
@click.option("--reserved-space", metavar="SIZE", help="Keep so much in any case: 2gb.")
@click.option("--min-free-space", metavar="SIZE", help="Remove until the disk has so much free.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--verbose", is_flag=True, help="All that is known of each, in lines of its own.")
@pass_settings
def prune(
    settings: Settings,
    /,
    *,
    internal: bool,
    filters: tuple[str, ...],
    max_used_space: str | None,
    reserved_space: str | None,
    min_free_space: str | None,
    force: bool,
    verbose: bool,
) -> None:
    """Remove build cache, what was used longest ago first.

    Never what an image needs, nor what is in use now. Sizes are as docker reads them: 1gb is
    1024 mb.
    """
    from amphora.build.pruning.filters import read_filters
    from amphora.build.pruning.limits import Limits
    from amphora.cli.launch_values import read_size

    def size(flag: str, text: str | None) -> int | None:
        return None if text is None else read_size(flag, text)

    limits = Limits(
        max_used=size("--max-used-space", max_used_space),
        reserved=size("--reserved-space", reserved_space),
        min_free=size("--min-free-space", min_free_space),
    )
    wanted = read_filters(filters, time.time())
    if not force:
        limited = _LIMITED if wanted or limits.given else ""
        click.confirm(_WARNING.format(limited=limited), abort=True)
    _prune(settings, wanted, limits, internal=internal, verbose=verbose)


@in_worker
def _prune(
    settings: Settings,
    filters: "tuple[Filter, ...]",
    limits: "Limits",
    *,
    internal: bool,
    verbose: bool,
) -> None:
    from amphora.build.pruning.prune import prune as remove
    from amphora.cli.access import explain_refusal
    from amphora.cli.disk_usage import print_details, print_entries
    from amphora.oci.store import Store
    from amphora.system.files import explain_full_disk

    root = Path(settings.store)
    with explain_full_disk(root), explain_refusal(root):
        done = remove(Store(root), filters=filters, limits=limits, internal=internal)
    if verbose:
        print_details(done.entries, time.time())
    elif done.entries:
        print_entries(done.entries, time.time())
    click.echo(f"Total: {human_size(done.freed)}")
