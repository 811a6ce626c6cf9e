"""How each platform's programs run on this machine now, proven by running one.

For every platform: which entry has it and why that one, whether a program of it ran, what
will be left of it after a reboot, and what is wrong with it.
"""

from collections.abc import Sequence

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.emulation.formats import format_of
from amphora.emulation.host.choice import version
from amphora.emulation.host.defects import Defect, defects_of
from amphora.emulation.host.entry import Entry
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import FILE, find_persistence
from amphora.emulation.host.plan import all_platforms
from amphora.emulation.host.targets import takes_own_programs
from amphora.emulation.probe import program, runs
from amphora.system.roots import resolve_in_root

_MOUNT = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"


class Status(Struct, frozen=True):
    """One platform. `takers` are the entries that match, the one that wins first.

    `hidden`: it runs, and not on this CPU, but the table is not mounted where we could see it.
    `lasts` says what registers the winner after a reboot; empty if nothing does.
    """

    platform: Platform
    proven: bool
    takers: tuple[Entry, ...] = ()
    hidden: bool = False
    owner: str = ""
    version: str | None = None
    lasts: str = ""
    problems: tuple[str, ...] = ()
    defects: tuple[Defect, ...] = ()

    @property
    def entry(self) -> Entry | None:
        return self.takers[0] if self.takers else None

    @property
    def ran(self) -> str:
        """One word: what happened to a program of it."""
        if not self.proven:
            return "fails" if self.takers else "no"
        return "emulated" if self.takers or self.hidden else "native"


def examine(machine: Machine, platforms: Sequence[Platform] = ()) -> list[Status]:
    """Run a program of each platform and say how that went; all platforms if none is named."""
    return [_examine(machine, platform) for platform in platforms or all_platforms()]


def dangers(machine: Machine) -> list[Entry]:
    """Entries that take this machine's own programs: with one of these it does not start any."""
    return [each for each in machine.table.entries() if takes_own_programs(each)]


def _examine(machine: Machine, platform: Platform) -> Status:
    proven = format_of(platform) is not None and runs(platform)
    takers: tuple[Entry, ...] = ()
    if format_of(platform) is not None and machine.table.mounted and machine.table.enabled:
        takers = tuple(machine.table.takers(program(platform.architecture)))
    if not takers:
        return _without_entry(machine, platform, proven=proven)
    entry = takers[0]
    stale = machine.stale(entry)
    running = None if stale else version(resolve_in_root(machine.root, entry.interpreter))
    return Status(
        platform=platform,
        proven=proven,
        takers=takers,
        owner=machine.owner(entry),
        version=running,
        lasts=_what_makes_last(machine, entry),
        problems=tuple(_problems(machine, takers, proven=proven)),
        defects=tuple(defects_of(platform, running)),
    )


def _without_entry(machine: Machine, platform: Platform, *, proven: bool) -> Status:
    if machine.table.mounted or not proven or Platform.host().matches(platform):
        return Status(platform, proven)
    where = machine.table.directory
    return Status(platform, proven, hidden=True, problems=(f"{where} is not mounted: {_MOUNT}",))


def _problems(machine: Machine, takers: Sequence[Entry], *, proven: bool) -> list[str]:
    entry, *shadowed = takers
    found = []
    if not proven:
        found.append(f"{entry.name} wins, registered last, and does not run programs of it")
    if not entry.pinned:
        found.append("without the flag F it works only where its interpreter is: no containers")
    if "C" in entry.flags:
        found.append(
            "with the flag C whoever can start a set-uid program of it can have QEMU "
            "write any file as its owner"
        )
    if machine.stale(entry):
        found.append(f"{entry.interpreter} was replaced since; `amphora emulator update`")
    if entry.on_trial:
        found.append("a run that was killed has left it on trial; `amphora emulator install`")
    found += [
        f"{other.name} ({machine.owner(other)}) matches too and was registered before: it is idle"
        for other in shadowed
    ]
    return found


def _what_makes_last(machine: Machine, entry: Entry) -> str:
    """The file that brings it back at boot, if something reads that file."""
    package = machine.binfmt_support(entry)
    if package is not None:
        return "binfmt-support"
    path = machine.configured_by(entry)
    persistence = find_persistence(machine.root)
    if path is None or persistence.kind == "none":
        return ""
    if persistence.kind == "unit" and path != f"/{FILE}":
        return ""
    return path
