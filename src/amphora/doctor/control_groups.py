"""Can a container's memory and CPUs be limited (`amphora run --memory --cpus`)?"""

import os

from amphora.doctor.check import Check, ok, warning
from amphora.system.cgroup_limits import Limits
from amphora.system.cgroup_places import places
from amphora.system.cgroups import limited

_NAME = "control groups"
_WANTED = ("cpu", "memory")
_SOURCE = "https://docs.kernel.org/admin-guide/cgroup-v2.html"

#: What a small container would be given.
_LIMITS = Limits(memory=64 << 20, cpus=0.5)


def check_control_groups() -> Check:
    """Make a group with limits, if this process may; to be called by a process of one thread."""
    reasons: list[str] = []
    with limited(_LIMITS, reasons.append):
        pass
    if not reasons:
        return ok(_NAME, "a group with limits of memory and CPU was made")
    known = places()
    delegable = [name for name in _WANTED if name in known and known[name].version == 2]
    if len(delegable) == len(_WANTED):
        user = "" if os.geteuid() == 0 else "--user "
        command = f"systemd-run {user}--scope -p Delegate=yes amphora run …"
        return ok(_NAME, f"version 2; for --memory and --cpus: {command}")
    lacking = " and ".join(name for name in _WANTED if name not in delegable)
    command = "boot with cgroup_no_v1=all on the kernel's command line"
    return warning(_NAME, f"version 2 has no {lacking}: no such limits", command, source=_SOURCE)
