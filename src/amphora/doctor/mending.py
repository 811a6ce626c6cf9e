"""What `--fix` does: only what takes nothing away that somebody uses, each said before.

Sysctls, packages and other programs' files are never touched; for those the command is told.
"""

import os
from collections.abc import Callable
from pathlib import Path

from amphora.core.errors import AmphoraError
from amphora.doctor import storage
from amphora.emulation.host.access import writable_machine
from amphora.emulation.host.change import carry_out
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import find_persistence
from amphora.emulation.host.plan import CHANGES, plan_install
from amphora.oci.store import Store

Say = Callable[[str], None]


def mend_emulators(say: Say, *, dry_run: bool) -> None:
    """What `amphora emulator install all` does to the machine's own table."""
    if os.geteuid() != 0:
        say("emulators are not registered, only root may: sudo amphora emulator install all")
        return
    machine = Machine() if dry_run else writable_machine(host=False)
    steps = [step for step in plan_install(machine) if step.action in CHANGES]
    for step in steps:
        with_what = f", with {step.entry.interpreter}" if step.entry else ""
        say(f"{step.action} {step.platform} on this machine: {step.why}{with_what}")
    if dry_run or not steps:
        return
    persistence = find_persistence(machine.root)
    for outcome in carry_out(machine, steps, persistence):
        if outcome.problem:
            say(f"{outcome.step.platform} was taken back: {outcome.problem}")
    say(f"after a reboot: {persistence.how}")


def mend_leftovers(root: Path, say: Say, *, dry_run: bool) -> None:
    """Sweep the store; in the worker, where everything in it has its owner."""
    say(f"sweep {root}: remove what killed processes left in it")
    if dry_run:
        return
    try:
        say(storage.sweep(Store(root)))
    except (AmphoraError, OSError) as error:
        say(f"not swept: {error}")
