"""What the doctor found, for people and for programs."""

from collections.abc import Sequence
from typing import Any

import click

from amphora.cli.output import print_table
from amphora.doctor.check import Check
from amphora.doctor.symptoms import clean


def print_checks(checks: Sequence[Check], headings: tuple[str, str, str]) -> None:
    """A line for each check, then the command for each that is not right."""
    print_table(
        headings, [(check.verdict, clean(check.name), clean(check.seen)) for check in checks]
    )
    commands: dict[str, str] = {}
    for check in checks:
        if check.command:
            commands.setdefault(clean(check.command), clean(check.name))
    if commands:
        click.echo()
        print_table(("TO MEND", "COMMAND"), [(name, what) for what, name in commands.items()])
    sources = dict.fromkeys(check.source for check in checks if check.source)
    if sources:
        click.echo("\nread more: " + " ".join(sources))


def plain_check(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "result": str(check.verdict),
        "seen": check.seen,
        "command": check.command,
        "source": check.source,
    }
