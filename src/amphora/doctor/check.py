"""What one look found: a verdict, what was seen, and the command that mends it."""

import os
from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from amphora.core.errors import AmphoraError, UnhealthyError


class Verdict(StrEnum):
    """`WARNING`: it works, but something near it does not, or will not for long."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Remedy(StrEnum):
    """What `--fix` may do by itself: nothing of it takes anything away that somebody uses."""

    EMULATORS = "emulators"
    LEFTOVERS = "leftovers"


class Check(Struct, frozen=True):
    """One look. `seen` is what was done and what came of it; `command` mends what is not right.

    `source` is where it can be read about.
    """

    name: str
    verdict: Verdict
    seen: str
    command: str = ""
    source: str = ""
    remedy: Remedy | None = None


def ok(name: str, seen: str) -> Check:
    return Check(name, Verdict.OK, seen)


def warning(
    name: str, seen: str, command: str, *, source: str = "", remedy: Remedy | None = None
) -> Check:
    return Check(name, Verdict.WARNING, seen, command, source, remedy)


def problem(
    name: str, seen: str, command: str, *, source: str = "", remedy: Remedy | None = None
) -> Check:
    return Check(name, Verdict.PROBLEM, seen, command, source, remedy)


def failed(name: str, error: AmphoraError) -> Check:
    """The problem that one of our own errors tells of."""
    return problem(name, f"{error.what}: {error.why}", error.next_command)


def refused(name: str, error: OSError, command: str) -> Check:
    """The problem that the system tells of."""
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    place = f": {error.filename}" if error.filename else ""
    return problem(name, f"{why}{place}", command)


def insist(checks: Sequence[Check], what: str) -> None:
    """Raises UnhealthyError if there is a problem among these; `what` was looked at."""
    problems = [check for check in checks if check.verdict is Verdict.PROBLEM]
    if problems:
        first = problems[0]
        raise UnhealthyError(
            f"{what} has {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            why=f"{first.name}: {first.seen}",
            next_command=first.command,
        )


def wants(checks: Iterable[Check], remedy: Remedy) -> bool:
    """Is there something among these that this remedy would mend?"""
    return any(check.remedy is remedy for check in checks)
