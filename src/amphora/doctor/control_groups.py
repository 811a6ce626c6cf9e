"""Can a container's memory and CPUs be limited (`amphora run --memory --cpus`)?"""

from amphora.core.errors import ContainerError
from amphora.doctor.check import Check, ok, warning
from amphora.system.cgroups import given_controllers, limited

_NAME = "control groups"
_WANTED = frozenset({"cpu", "memory"})
_SOURCE = "https://docs.kernel.org/admin-guide/cgroup-v2.html"

#: What a small container would be given.
_MEMORY, _CPUS = 64 << 20, 0.5


def check_control_groups() -> Check:
    """Make a group with limits, if this process may; to be called by a process of one thread."""
    given = given_controllers()
    if given is None:
        seen = "this machine has none of version 2: --memory and --cpus cannot be kept"
        command = "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
        return warning(_NAME, seen, command, source=_SOURCE)
    lacking = sorted(_WANTED - given)
    if lacking:
        seen = f"version 2, but {' and '.join(lacking)} were not given to us: no such limits"
        command = "boot with cgroup_no_v1=all on the kernel's command line"
        return warning(_NAME, seen, command, source=_SOURCE)
    try:
        with limited(memory=_MEMORY, cpus=_CPUS):
            return ok(_NAME, "version 2; a group with limits of memory and CPU was made")
    except ContainerError as error:
        return ok(_NAME, f"version 2; for --memory and --cpus: {error.next_command}")
