"""What would change, before anything does: one step for each platform.

A platform that already runs well stays as it is, whoever saw to that: with two entries of
the same kind nothing would run better. Ours is put in front only of what does not work,
is not what was asked for, or runs a file that has been replaced.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from amphora.core.errors import EmulatorError, MissingToolError
from amphora.core.platform import Platform
from amphora.emulation.formats import FORMATS, format_of
from amphora.emulation.host.choice import Wish, wanted_entry
from amphora.emulation.host.entry import PREFIX, Entry
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.targets import platform_of, takes_own_programs
from amphora.emulation.probe import program, runs


class Action(StrEnum):
    """What is to happen to a platform."""

    NATIVE = "native"
    KEEP = "keep"
    REGISTER = "register"
    REPLACE = "replace"
    REMOVE = "remove"
    SKIP = "skip"


#: Those that change the table.
CHANGES = frozenset({Action.REGISTER, Action.REPLACE, Action.REMOVE})


class Step(Struct, frozen=True):
    """`current` has the platform now; `entry` is registered, or removed. `why` is one clause."""

    platform: Platform
    action: Action
    why: str
    entry: Entry | None = None
    current: Entry | None = None


def plan_install(
    machine: Machine,
    platforms: Sequence[Platform] = (),
    *,
    wish: Wish | None = None,
    credentials: bool = False,
) -> list[Step]:
    """What `install` would do for these platforms; for all there is an emulator of, if none.

    Raises MissingToolError, EmulatorError for a platform that is named and cannot be had.
    """
    wish = wish or Wish()
    named = platforms or all_platforms()
    steps = []
    for platform in dict.fromkeys(each for each in map(_without_variant, named)):
        try:
            steps.append(_step(machine, platform, wish, credentials=credentials))
        except (MissingToolError, EmulatorError) as error:
            if platforms:
                raise
            steps.append(Step(platform, Action.SKIP, error.why))
    return steps


def plan_update(machine: Machine) -> list[Step]:
    """Pin our emulators anew where the file was replaced since."""
    steps = []
    for old in machine.table.entries():
        platform = platform_of(old)
        if platform is None or not old.ours:
            continue
        if machine.stale(old):
            why = f"{old.interpreter} was replaced after it was registered"
            steps.append(Step(platform, Action.REPLACE, why, _as_new(old), old))
        else:
            steps.append(Step(platform, Action.KEEP, "it runs the file that is there", None, old))
    return steps


def plan_uninstall(machine: Machine, platforms: Sequence[Platform] = ()) -> list[Step]:
    """Remove our entries, of these platforms or all; those of others are not ours to remove."""
    chosen = set(map(_without_variant, platforms))
    steps = []
    for entry in machine.table.entries():
        platform = platform_of(entry)
        if platform is not None and entry.ours and (not chosen or platform in chosen):
            steps.append(Step(platform, Action.REMOVE, "amphora registered it", entry, entry))
    return steps


def plan_reset(machine: Machine) -> list[Step]:
    """Remove every entry for programs of a CPU, whoever registered it."""
    steps = []
    for entry in machine.table.entries():
        platform = platform_of(entry)
        if platform is not None:
            why = f"registered by {machine.owner(entry)}"
            steps.append(Step(platform, Action.REMOVE, why, entry, entry))
    return steps


def all_platforms() -> list[Platform]:
    """One for each architecture of images."""
    return [Platform.parse(architecture) for architecture in FORMATS]


def winner(machine: Machine, platform: Platform) -> Entry | None:
    """The entry that a platform's programs are given to; None if it is left to the CPU."""
    takers = machine.table.takers(program(platform.architecture))
    return takers[0] if takers and machine.table.enabled else None


def _step(machine: Machine, platform: Platform, wish: Wish, *, credentials: bool) -> Step:
    if format_of(platform) is None:
        raise EmulatorError(
            f"nothing runs {platform} here",
            why="no emulator for it exists in QEMU's user mode",
            next_command="leave it out",
        )
    current = winner(machine, platform)
    if current is None and runs(platform):
        return Step(platform, Action.NATIVE, "this CPU runs it itself")
    if current is not None and takes_own_programs(current):
        raise _would_stop_everything(current)
    if current is not None and wish.anything:
        flaw = _flaw(machine, platform, current, credentials=credentials)
        if not flaw:
            return Step(
                platform, Action.KEEP, f"registered by {machine.owner(current)}", None, current
            )
    wanted = wanted_entry(platform, wish, credentials=credentials)
    if takes_own_programs(wanted):
        raise _would_stop_everything(wanted)
    if current is None:
        return Step(platform, Action.REGISTER, "nothing runs it yet", wanted)
    if not wish.anything:
        if _same(current, wanted) and not machine.stale(current) and runs(platform):
            return Step(platform, Action.KEEP, "it is as asked for", None, current)
        flaw = f"{wanted.interpreter} was asked for"
    return Step(platform, Action.REPLACE, flaw, wanted, current)


def _flaw(machine: Machine, platform: Platform, entry: Entry, *, credentials: bool) -> str:
    """Why an entry is not good enough; empty if it is."""
    unwanted = entry.ours and not credentials and "C" in entry.flags
    flaws = {
        "a run that was killed has left it on trial": entry.on_trial,
        f"{entry.name} lacks the flag F: it does not work in containers": not entry.pinned,
        f"{entry.name} lacks the flag C": credentials and "C" not in entry.flags,
        f"{entry.name} has the flag C, which is not asked for any more": unwanted,
        f"{entry.interpreter} was replaced after it was registered": machine.stale(entry),
        f"{entry.name} does not run programs of it": not runs(platform),
    }
    return next((flaw for flaw, there in flaws.items() if there), "")


def _same(one: Entry, other: Entry) -> bool:
    return (one.name, one.interpreter, set(one.flags), one.magic, one.mask) == (
        *(other.name, other.interpreter, set(other.flags), other.magic, other.mask),
    )


def _as_new(entry: Entry) -> Entry:
    """The same entry under its lasting name (an interrupted run may have left another)."""
    cpu = next(elf.qemu_cpu for elf in FORMATS.values() if elf.magic == entry.magic)
    return Entry(PREFIX + cpu, entry.interpreter, entry.flags, entry.magic, entry.mask)


def _without_variant(platform: Platform) -> Platform:
    """Variants of an architecture have one emulator: `linux/arm` stands for all of them."""
    return Platform.parse(f"{platform.os}/{platform.architecture}")


def _would_stop_everything(entry: Entry) -> EmulatorError:
    return EmulatorError(
        f"{entry.name} takes this machine's own programs",
        why="its magic matches them, so that nothing would start any more",
        next_command=f"remove it: echo -1 | sudo tee /proc/sys/fs/binfmt_misc/{entry.name}",
    )
