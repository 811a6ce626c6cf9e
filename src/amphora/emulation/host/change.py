"""Doing what a plan says: register, prove by running a program, and take back what fails.

A new entry is registered under a name of its own first, in front of the old one; only when
a program has run through it does it take the old one's place. So at no moment is a platform
without the entry it had, and a kill at any moment leaves a table that works: the next run
tidies up.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.errors import EmulatorError
from amphora.emulation.host.entry import PREFIX, TRIAL, Entry
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import Persistence
from amphora.emulation.host.plan import CHANGES, Action, Step
from amphora.emulation.probe import runs
from amphora.system.files import locked

_LOCK = "run/amphora-emulators.lock"


class Outcome(Struct, frozen=True):
    """A step that was taken; `problem` says why it had to be taken back, and is else empty."""

    step: Step
    problem: str = ""


def carry_out(
    machine: Machine, plan: Sequence[Step], persistence: Persistence | None
) -> list[Outcome]:
    """Take every step of a plan; what does not prove itself is as it was before.

    Then what is left of ours is made to last, unless `persistence` is None. Interrupted, or
    when the system refuses, all of it is taken back and the error raised on (EmulatorError).
    """
    if all(step.action not in CHANGES for step in plan) and persistence is None:
        return [Outcome(step) for step in plan]
    with locked(_lock_of(machine)), ExitStack() as undo:
        if not machine.table.enabled:
            machine.table.enable()
        outcomes = [_take(machine, step, undo) for step in plan]
        _tidy(machine)
        if persistence is not None:
            persistence.save(machine.root, ours(machine))
        undo.pop_all()
    return outcomes


def ours(machine: Machine) -> list[Entry]:
    """Our entries in the order in which they were registered."""
    return [entry for entry in reversed(machine.table.entries()) if entry.ours]


def _take(machine: Machine, step: Step, undo: ExitStack) -> Outcome:
    if step.entry is None or step.action not in CHANGES:
        return Outcome(step)
    if step.action is Action.REMOVE:
        undo.callback(_restorer(machine, step.entry))
        machine.table.remove(step.entry.name)
        return Outcome(step)
    try:
        _put_in_front(machine, step, step.entry, undo)
    except EmulatorError as error:
        return Outcome(step, str(error))
    return Outcome(step)


def _put_in_front(machine: Machine, step: Step, entry: Entry, undo: ExitStack) -> None:
    """Try an entry under another name; if it works, give it its own.

    Raises EmulatorError if it does not, and the table is as it was.
    """
    table = machine.table
    trial = replace(entry, name=f"{TRIAL}{entry.name.removeprefix(PREFIX)}")
    with ExitStack() as trying:
        trying.callback(table.remove, trial.name)
        table.remove(trial.name)
        table.register(trial)
        if not runs(step.platform):
            raise _unproven(step, entry)
        old = next((each for each in table.entries() if each.name == entry.name), None)
        restore = _restorer(machine, old or entry, there=old is not None)
        undo.callback(restore)
        with ExitStack() as failing:
            failing.callback(restore)
            table.remove(entry.name)
            table.register(entry)
            failing.pop_all()


def _restorer(machine: Machine, entry: Entry, *, there: bool = True) -> Callable[[], None]:
    """What puts an entry back as it was: registered, or not `there`."""

    def restore() -> None:
        machine.table.remove(entry.name)
        if there:
            machine.table.register(entry)

    return restore


def _tidy(machine: Machine) -> None:
    """Remove what a run that was killed left on trial; by now something else has its place."""
    for entry in machine.table.entries():
        if entry.on_trial:
            machine.table.remove(entry.name)


def _lock_of(machine: Machine) -> Path:
    path = machine.root / _LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _unproven(step: Step, entry: Entry) -> EmulatorError:
    return EmulatorError(
        f"{entry.interpreter} does not run {step.platform}",
        why="a program of a few instructions did not end as it must, or lost an argument",
        next_command=f"see what it says: {entry.interpreter} --version",
    )
