"""Showing a container's journal: each stream as it was written, with times if asked for."""

import click

from amphora.runtime.journal import Record


class LogOutput:
    """Writes records where they were written to: standard output or standard error."""

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._at_start = {"stdout": True, "stderr": True}

    def show(self, record: Record) -> None:
        """At once, for whoever watches."""
        text = record.text
        if self._timestamps and self._at_start[record.stream]:
            text = f"{record.when} ".encode() + text
        self._at_start[record.stream] = text.endswith(b"\n")
        click.echo(text, nl=False, err=record.stream == "stderr")
