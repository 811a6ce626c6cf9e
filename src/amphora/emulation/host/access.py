"""Getting hold of the table to change it, and of the right one."""

import os
from pathlib import Path

from amphora.core.errors import EmulatorError
from amphora.emulation.host.machine import Machine

#: What /proc/self/uid_map says in the first user namespace, and in no other.
_ALL_IDS = ["0", "0", "4294967295"]


def writable_machine(*, host: bool) -> Machine:
    """The machine whose table may be changed; the table is mounted if it is not.

    `host` insists that it is the table of the whole machine: since Linux 6.7 a user
    namespace may have one of its own. Raises EmulatorError.
    """
    if os.geteuid() != 0:
        raise EmulatorError(
            "only root may change what this machine runs",
            why="the table of emulators belongs to everybody on it",
            next_command="run the same with sudo; builds of amphora need none of this",
        )
    if host and Path("/proc/self/uid_map").read_text().split() != _ALL_IDS:
        raise EmulatorError(
            "this container cannot reach the table of its machine",
            why="it is in a user namespace, whose table would be another one",
            next_command="run it in the machine's user namespace: docker run --privileged "
            "--userns=host, or hostUsers: true in Kubernetes",
        )
    machine = Machine()
    machine.table.mount()
    return machine
