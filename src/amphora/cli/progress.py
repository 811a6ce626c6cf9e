"""Showing what a build does: a live picture on a terminal, plain lines in a log."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from amphora.build.events import (
    Event,
    Listener,
    Planned,
    StepFinished,
    StepOutput,
    StepStarted,
    Warned,
)
from amphora.cli.colours import Colours, read_colours
from amphora.cli.plans import plan_lines
from amphora.cli.raw_progress import RawProgress

if TYPE_CHECKING:
    from rich.console import RenderableType

#: What BuildKit says of steps that did not end well.
_BAD_ENDS = {"failed": "ERROR", "canceled": "CANCELED"}


@contextmanager
def show_build(style: str) -> Iterator[Listener]:
    """A listener for a build, printing to standard error.

    `style` is docker's: auto, plain, tty, rawjson, quiet or none.
    """
    if style in {"quiet", "none"}:
        yield lambda _event: None
    elif style == "rawjson":
        yield RawProgress()
    elif style == "tty" or (style == "auto" and sys.stderr.isatty()):
        yield from _live()
    else:
        yield PlainProgress()


class PlainProgress:
    """Lines as BuildKit's `--progress=plain` has them: `#3 …`, output with seconds, DONE."""

    def __init__(self, file: TextIO | None = None) -> None:
        """They go to the file, or to standard error."""
        self._file = file
        self._started: dict[int, float] = {}
        self._rest: dict[int, bytes] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted(identity):
                self._started[identity] = time.monotonic()
                self._say(f"#{identity} {event.name}")
            case StepOutput(identity, content):
                *lines, self._rest[identity] = (self._rest.get(identity, b"") + content).split(
                    b"\n"
                )
                self._print(identity, lines)
            case StepFinished(identity, ran, seconds, ended, detail):
                self._print(identity, [rest] if (rest := self._rest.pop(identity, b"")) else [])
                if detail:
                    self._say(f"#{identity} {detail}")
                done = "CACHED" if ran == "cached" else f"DONE {seconds:.1f}s ({ran})"
                self._say(f"#{identity} {_BAD_ENDS.get(ended, done)}\n")
            case Warned(place, text):
                self._say(f"WARN {place}: {text}")
            case Planned(plan):
                self._say("\n".join([*plan_lines(plan), ""]))

    def _print(self, identity: int, lines: list[bytes]) -> None:
        seconds = time.monotonic() - self._started[identity]
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            self._say(f"#{identity} {seconds:.3f} {text}")

    def _say(self, line: str) -> None:
        click.echo(line, file=self._file, err=self._file is None)


def _live() -> Iterator[Listener]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    picture = _Picture(read_colours(os.environ.get("BUILDKIT_COLORS", "")))
    with Live(picture, console=console, refresh_per_second=8, transient=True) as live:

        def listen(event: Event) -> None:
            line = picture.take(event)
            if line is not None:
                live.console.print(line, highlight=False, markup=True, soft_wrap=True)

        yield listen


class _Picture:
    """The steps under way, each with its clock and the last line it printed."""

    def __init__(self, colours: Colours) -> None:
        self._colours = colours
        self._steps: dict[int, _Running] = {}

    def take(self, event: Event) -> str | None:
        """Note an event; returns what to leave behind above the picture."""
        from rich.markup import escape

        match event:
            case StepStarted(identity):
                self._steps[identity] = _Running(event.name, time.monotonic())
            case StepOutput(identity, content):
                self._steps[identity].hear(content)
            case StepFinished(identity, ran, seconds, ended, detail):
                step = self._steps.pop(identity)
                title = escape(step.title)
                if ended == "canceled":
                    return f"[yellow]-[/yellow] {title} [dim]{seconds:.1f}s canceled[/dim]"
                if ended == "failed":
                    said = escape(step.output.decode(errors="replace"))
                    mark = _marked("✗", self._colours.error)
                    return f"{mark} {title} [dim]{seconds:.1f}s[/dim]\n{said}"
                took = "cached" if ran == "cached" else f"{seconds:.1f}s {ran}"
                took += f" ({escape(detail)})" if detail else ""
                return f"{_marked('✓', self._colours.run)} {title} [dim]{took}[/dim]"
            case Warned(place, text):
                return f"{_marked('!', self._colours.warning)} {escape(place)}: {escape(text)}"
            case Planned(plan):
                return escape("\n".join([*plan_lines(plan), ""]))
        return None

    def __rich__(self) -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        lines = [
            Text(f"  {step.title} {now - step.started:.1f}s  {step.last_line}", no_wrap=True)
            for step in self._steps.values()
        ]
        return Group(*lines)


def _marked(mark: str, colour: str) -> str:
    return f"[{colour}]{mark}[/]"


class _Running:
    """`output` is the end of what the step printed, shown if it fails."""

    _KEPT = 8192

    def __init__(self, title: str, started: float) -> None:
        self.title = title
        self.started = started
        self.output = b""

    def hear(self, content: bytes) -> None:
        self.output = (self.output + content)[-self._KEPT :]

    @property
    def last_line(self) -> str:
        lines = self.output.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
