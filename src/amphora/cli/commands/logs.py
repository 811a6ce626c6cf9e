"""`amphora logs`."""

from pathlib import Path

import click

from amphora.cli.containers import ANY_CONTAINER
from amphora.cli.options import pass_settings
from amphora.core.settings import Settings


@click.command("logs")
@click.argument("name", type=ANY_CONTAINER, metavar="NAME")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-n", "--tail", type=click.IntRange(min=0), help="Only the last lines, so many.")
@click.option("-t", "--timestamps", is_flag=True, help="Say when each line was written.")
@pass_settings
def command(
    settings: Settings, *, name: str, follow: bool, tail: int | None, timestamps: bool
) -> None:
    """Show what a container in the background wrote (`amphora run -d`).

    To standard output and standard error, as it did. Of more than 64 MiB the beginning is lost.
    """
    from amphora.cli.log_output import LogOutput
    from amphora.launch.keeping import find_any, journal_of
    from amphora.launch.live import is_running
    from amphora.runtime.journal import JournalReader, followed, last_lines

    root = Path(settings.store)
    name = find_any(root, name).container.name

    output = LogOutput(timestamps=timestamps)
    with JournalReader(journal_of(root, name)) as reader:
        for record in last_lines(reader.new(), tail):
            output.show(record)
        if follow:
            for record in followed(reader, lambda: is_running(root, name)):
                output.show(record)
