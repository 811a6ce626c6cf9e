"""Showing a push or a pull: bars on a terminal, a line for each finished piece in a log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from amphora.cli.output import human_size
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.registry.progress import How, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@contextmanager
def show_transfer() -> Iterator[Progress]:
    """A progress for the registry client, printing to standard error."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _TerminalBars(bars)


class _Lines:
    def __init__(self) -> None:
        self._names: dict[Digest, str] = {}

    def started(self, descriptor: Descriptor, name: str) -> None:
        self._names[descriptor.digest] = name

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        pass

    def finished(self, descriptor: Descriptor, how: How) -> None:
        name = self._names.get(descriptor.digest, str(descriptor.digest))
        click.echo(f"{name}: {how} ({human_size(descriptor.size)})", err=True)


class _TerminalBars:
    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._tasks: dict[Digest, TaskID] = {}

    def started(self, descriptor: Descriptor, name: str) -> None:
        self._tasks[descriptor.digest] = self._bars.add_task(name, total=descriptor.size)

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        self._bars.advance(self._tasks[descriptor.digest], count)

    def finished(self, descriptor: Descriptor, how: How) -> None:
        task = self._tasks[descriptor.digest]
        text = f"{self._bars.tasks[task].description}: {how}"
        self._bars.update(task, completed=descriptor.size, description=text)
