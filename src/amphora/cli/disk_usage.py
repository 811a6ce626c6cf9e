"""Entries of the build cache as they are shown: a table, lines for each, JSON."""

from collections.abc import Sequence
from typing import Any

import click

from amphora.cli.output import human_size, print_table
from amphora.oci.cache_entry import CacheEntry, totals
from amphora.oci.config import timestamp

#: How much of an ID and of a description there is in a table.
_SHORT, _SHORT_TEXT = 25, 60

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def print_entries(entries: Sequence[CacheEntry], now: float) -> None:
    """As `docker buildx du` does, and after that what each is."""
    rows = [
        (
            entry.id[:_SHORT] + ("*" if entry.mutable else ""),
            _truth(not entry.in_use),
            human_size(entry.size) + ("*" if entry.shared else ""),
            ago(entry.used, now),
            entry.type,
            _short(entry.description),
        )
        for entry in entries
    ]
    headings = ("ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED", "TYPE", "DESCRIPTION")
    print_table(headings, rows)


def print_details(entries: Sequence[CacheEntry], now: float) -> None:
    """One after the other, in buildx's words; without what is not known."""
    for entry in entries:
        values = (
            ("ID", entry.id),
            ("Parents", ", ".join(entry.parents)),
            ("Created at", timestamp(entry.created) if entry.created else ""),
            ("Mutable", _truth(entry.mutable)),
            ("Reclaimable", _truth(not entry.in_use)),
            ("Shared", _truth(entry.shared)),
            ("Size", human_size(entry.size)),
            ("Description", entry.description),
            ("Usage count", str(entry.times or "")),
            ("Last used", ago(entry.used, now)),
            ("Type", entry.type),
        )
        for title, value in values:
            if value:
                click.echo(f"{title + ':':<16}{value}")
        click.echo()


def print_totals(entries: Sequence[CacheEntry]) -> None:
    sums = totals(entries)
    for title, size in (
        ("Shared", sums.shared),
        ("Private", sums.private),
        ("Reclaimable", sums.reclaimable),
        ("Total", sums.total),
    ):
        click.echo(f"{title + ':':<16}{human_size(size)}")


def described(entries: Sequence[CacheEntry]) -> dict[str, Any]:
    """For `--format json`; sizes are in bytes."""
    sums = totals(entries)
    return {
        "records": [_described(entry) for entry in entries],
        "shared": sums.shared,
        "private": sums.private,
        "reclaimable": sums.reclaimable,
        "total": sums.total,
    }


def ago(moment: float, now: float) -> str:
    """How long that is ago, in the largest unit of which it is at least two."""
    passed = max(0, int(now - moment))
    name, seconds = next(
        ((name, seconds) for name, seconds in _UNITS if passed >= 2 * seconds), _UNITS[-1]
    )
    count = passed // seconds
    return f"{count} {name}{'' if count == 1 else 's'} ago"


def _described(entry: CacheEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "parents": list(entry.parents),
        "type": str(entry.type),
        "description": entry.description,
        "size": entry.size,
        "created": timestamp(entry.created),
        "last_used": timestamp(entry.used),
        "usage_count": entry.times,
        "mutable": entry.mutable,
        "shared": entry.shared,
        "in_use": entry.in_use,
        "reclaimable": not entry.in_use,
    }


def _short(text: str) -> str:
    """The first line, as much as there is room for."""
    line = text.partition("\n")[0]
    return line if len(line) <= _SHORT_TEXT else f"{line[: _SHORT_TEXT - 1]}…"


def _truth(value: bool) -> str:
    return str(value).lower()
