"""What the table of emulators looks like, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from amphora.cli.output import print_json, print_table
from amphora.emulation.host.change import Outcome
from amphora.emulation.host.entry import Entry
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import Persistence
from amphora.emulation.host.plan import CHANGES, Action, Step
from amphora.emulation.host.status import Status
from amphora.emulation.host.targets import cpus_of, takes_own_programs


def print_plan(plan: Sequence[Step], output_format: str, *, lasts: str, dry_run: bool) -> None:
    """Every step, what has the platform now, and what will be left after a reboot."""
    if output_format == "json":
        if dry_run:
            print_json({"steps": [plain_step(step) for step in plan], "after_reboot": lasts})
        return
    if plan:
        rows = [
            (step.platform, step.action, _interpreter(step.entry or step.current), step.why)
            for step in plan
        ]
        print_table(("PLATFORM", "ACTION", "INTERPRETER", "WHY"), rows)
    else:
        click.echo("nothing to do")
    if any(step.action in {Action.REGISTER, Action.REPLACE} for step in plan):
        click.echo(f"after a reboot: {lasts}")


def print_outcomes(outcomes: Sequence[Outcome], output_format: str, *, lasts: str) -> None:
    """What came of a plan; for people only what was changed."""
    if output_format == "json":
        steps = [
            {**plain_step(each.step), "done": not each.problem, "problem": each.problem}
            for each in outcomes
        ]
        print_json({"steps": steps, "after_reboot": lasts})
        return
    for outcome in outcomes:
        if outcome.problem:
            click.echo(f"{outcome.step.platform}: taken back: {outcome.problem}", err=True)
    changed = sum(each.step.action in CHANGES and not each.problem for each in outcomes)
    click.echo(f"{changed} changed, {len(outcomes) - changed} left as they were")


def print_entries(machine: Machine, entries: Sequence[Entry], output_format: str) -> None:
    """The kernel's table, the newest entry first: the first that matches wins."""
    if output_format == "json":
        print_json([_plain_entry(machine, entry) for entry in entries])
        return
    rows = [
        (
            entry.name,
            ", ".join(cpus_of(entry)) or "-",
            entry.flags or "-",
            entry.interpreter,
            machine.owner(entry),
            _note(entry),
        )
        for entry in entries
    ]
    print_table(("NAME", "CPU", "FLAGS", "INTERPRETER", "REGISTERED BY", "NOTE"), rows)


def print_status(statuses: Sequence[Status], output_format: str, **more: Any) -> None:
    """A line for each platform, and what is wrong or known below."""
    if output_format == "json":
        print_json({"platforms": [plain_status(each) for each in statuses], **more})
        return
    rows = [
        (
            each.platform,
            each.ran,
            each.entry.name if each.entry else "-",
            each.version or "-",
            each.owner or "-",
            (each.lasts or "lost") if each.entry else "-",
        )
        for each in statuses
    ]
    headings = ("PLATFORM", "RUNS", "ENTRY", "VERSION", "REGISTERED BY", "AFTER A REBOOT")
    print_table(headings, rows)
    notes = [f"{each.platform}: {problem}" for each in statuses for problem in each.problems]
    notes += [
        f"{each.platform}: known of version {each.version}: {defect.what} ({defect.reference})"
        for each in statuses
        for defect in each.defects
    ]
    if notes:
        click.echo("\n" + "\n".join(notes))


def what_lasts(persistence: Persistence | None) -> str:
    """One clause on what a reboot leaves."""
    if persistence is None:
        return "not kept here: the machine's own files are out of reach; start this again then"
    return f"{'lost: ' if persistence.kind == 'none' else ''}{persistence.how}"


def plain_step(step: Step) -> dict[str, Any]:
    return {
        "platform": str(step.platform),
        "action": str(step.action),
        "why": step.why,
        "entry": _plain(step.entry),
        "current": _plain(step.current),
    }


def plain_status(status: Status) -> dict[str, Any]:
    return {
        "platform": str(status.platform),
        "runs": status.ran,
        "proven": status.proven,
        "entries": [_plain(entry) for entry in status.takers],
        "registered_by": status.owner,
        "version": status.version,
        "after_reboot": status.lasts,
        "problems": list(status.problems),
        "known_defects": [
            {"what": each.what, "reference": each.reference} for each in status.defects
        ],
    }


def _plain_entry(machine: Machine, entry: Entry) -> Mapping[str, Any]:
    return {
        **(_plain(entry) or {}),
        "cpus": cpus_of(entry),
        "registered_by": machine.owner(entry),
        "enabled": entry.enabled,
        "stale": machine.stale(entry),
    }


def _plain(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {
        "name": entry.name,
        "interpreter": entry.interpreter,
        "flags": entry.flags,
        "magic": entry.magic.hex(),
        "mask": entry.mask.hex(),
        "offset": entry.offset,
        "extension": entry.extension,
    }


def _interpreter(entry: Entry | None) -> str:
    return entry.interpreter if entry else "-"


def _note(entry: Entry) -> str:
    if takes_own_programs(entry):
        return "DANGER: takes this machine's own programs"
    return "" if entry.enabled else "disabled"
