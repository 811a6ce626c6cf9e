"""The machine's own binfmt_misc, which docker, podman, chroot and shells use; we do not.

Each platform that something is registered for is proven by running a program of it.
"""

from collections.abc import Iterator

from amphora.doctor.check import Check, Remedy, ok, problem, warning
from amphora.emulation.host.entry import Entry
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import find_persistence
from amphora.emulation.host.status import Status, dangers, examine

_NAME = "binfmt_misc of this machine"
_INSTALL = "sudo amphora emulator install all"
_UPDATE = "sudo amphora emulator update"
_MOUNT = "sudo mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"
_LOST_SOURCE = "https://github.com/tonistiigi/binfmt/issues/75"


def check_machine_table(machine: Machine, *, needed: bool) -> Iterator[Check]:
    """One look at the table, and one at each platform in it.

    `needed`: programs that use it are installed here, so that an empty one is worth a warning.
    """
    table = machine.table
    yield from map(_danger, dangers(machine))
    if table.mounted and not table.enabled:
        switch = f"echo 1 | sudo tee {table.directory}/status"
        yield problem(_NAME, "all entries were switched off at once", switch)
        return
    registered = [each for each in examine(machine) if each.ran in {"emulated", "fails"}]
    if not registered:
        yield _nothing(needed=needed)
        return
    lasting = find_persistence(machine.root).kind != "none"
    for status in registered:
        yield _judge(machine, status, lasting=lasting)


def _nothing(*, needed: bool) -> Check:
    seen = "nothing is registered: only amphora runs programs of other CPUs here"
    if not needed:
        return ok(_NAME, seen)
    return warning(_NAME, f"{seen}, not docker or podman", _INSTALL, remedy=Remedy.EMULATORS)


def _danger(entry: Entry) -> Check:
    seen = f"{entry.name} takes this machine's own programs: nothing will start any more"
    return problem(_NAME, seen, f"echo -1 | sudo tee /proc/sys/fs/binfmt_misc/{entry.name}")


def _judge(machine: Machine, status: Status, *, lasting: bool) -> Check:
    """The worst that can be said of a platform; `lasting`: something runs at boot here."""
    name = f"{status.platform} on this machine"
    if not status.proven:
        return problem(name, status.problems[0], _INSTALL, remedy=Remedy.EMULATORS)
    entry = status.entry
    by = f"{entry.interpreter} {status.version or ''}".rstrip() if entry else "an emulator"
    ran = f"a program of it ran, by {by}"
    if status.defects:
        known = status.defects[0]
        return warning(
            name,
            f"{ran}; known of this version: {known.what}",
            f"amphora emulator verify {status.platform} --deep",
            source=known.reference,
        )
    if entry is None:
        return warning(name, f"{ran}, but the table is not mounted here", _MOUNT)
    return _flawed(machine, name, ran, entry) or (
        warning(name, f"{ran}, but none will after a reboot", _INSTALL, source=_LOST_SOURCE)
        if lasting and not status.lasts
        else ok(name, ran)
    )


def _flawed(machine: Machine, name: str, ran: str, entry: Entry) -> Check | None:
    """It runs, but: what `amphora emulator` would put right."""
    if not entry.pinned:
        seen = f"{ran}, but in no container: {entry.name} lacks the flag F"
        return warning(name, seen, _INSTALL, remedy=Remedy.EMULATORS)
    if machine.stale(entry):
        seen = f"{ran}, but an older file: {entry.interpreter} was replaced since"
        return warning(name, seen, _UPDATE if entry.ours else _INSTALL, remedy=Remedy.EMULATORS)
    if entry.on_trial:
        seen = f"{ran}; a run that was killed has left {entry.name} on trial"
        return warning(name, seen, _INSTALL, remedy=Remedy.EMULATORS)
    return None
