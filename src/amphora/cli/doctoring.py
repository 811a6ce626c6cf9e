"""`amphora doctor` without a symptom: the machine, looked at outside the worker and in it."""

import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import click
from msgspec import Struct, field

from amphora.cli.checks import plain_check, print_checks
from amphora.cli.guard import guarded
from amphora.cli.loading import find_engine
from amphora.cli.output import print_json
from amphora.cli.worker import call_in_worker, run_async
from amphora.core.errors import AmphoraError, MissingToolError, NamespaceError
from amphora.core.settings import Settings
from amphora.doctor.check import Check, Remedy, failed, insist, wants
from amphora.doctor.examination import (
    Patient,
    ask_registries,
    look_at_table,
    look_outside,
    prove_inside,
)
from amphora.doctor.mending import mend_emulators, mend_leftovers

_HEADINGS = ("RESULT", "CHECK", "SEEN")


class Visit(Struct, frozen=True):
    """What was asked for, and what `--fix` has said so far."""

    registries: tuple[str, ...]
    fix: bool
    dry_run: bool
    as_json: bool
    fixes: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Tell of a fix before it is done; beside the result, which may be JSON."""
        self.fixes.append(text)
        prefix = "would fix" if self.dry_run else "fix"
        click.echo(f"{click.style(prefix, bold=True)}: {text}", err=True)


def examine(settings: Settings, visit: Visit) -> int:
    """Look, mend if told to, and tell; returns the exit status."""
    patient = Patient(
        store=Path(settings.store),
        environment=dict(os.environ),
        insecure_registries=tuple(settings.insecure_registries),
        registries=visit.registries,
        several=_docker_keeps_several(),
    )
    facts, table = look_outside(patient), look_at_table()
    if visit.fix and wants(table, Remedy.EMULATORS):
        _mend_emulators(visit)
        table = look_at_table()
    outside = [*facts, *table, *run_async(ask_registries(patient))]
    try:
        return call_in_worker(partial(_examine_inside, patient, visit, outside))
    except (NamespaceError, MissingToolError) as error:
        checks = [*outside, failed("worker", error)]
        return guarded(lambda: _tell(visit, checks))


def _docker_keeps_several() -> bool | None:
    engine = find_engine()
    if engine is None or Path(engine.command[0]).name != "docker":
        return None
    return engine.several


def _mend_emulators(visit: Visit) -> None:
    try:
        mend_emulators(visit.say, dry_run=visit.dry_run)
    except AmphoraError as error:
        visit.say(f"not done: {error}; {error.next_command}")


def _examine_inside(patient: Patient, visit: Visit, outside: list[Check]) -> None:
    inside = run_async(_listed(prove_inside(patient)))
    if visit.fix and wants(inside, Remedy.LEFTOVERS):
        mend_leftovers(patient.store, visit.say, dry_run=visit.dry_run)
        if not visit.dry_run:
            inside = [check for check in inside if check.remedy is not Remedy.LEFTOVERS]
    _tell(visit, [*outside, *inside])


async def _listed(checks: AsyncIterator[Check]) -> list[Check]:
    return [check async for check in checks]


def _tell(visit: Visit, checks: list[Check]) -> None:
    """Raises UnhealthyError where there is a problem."""
    if visit.as_json:
        print_json({"checks": [plain_check(check) for check in checks], "fixes": visit.fixes})
    else:
        print_checks(checks, _HEADINGS)
    insist(checks, "this machine")
