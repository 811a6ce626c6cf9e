"""Control groups as this machine has them, and as one without version 2 would."""

from pathlib import Path

import pytest

from amphora.doctor.control_groups import check_control_groups
from amphora.system import syscalls
from amphora.system.cgroups import given_controllers

pytestmark = pytest.mark.privileged


def test_what_this_machine_gives_is_what_is_told(in_worker):
    check, given = in_worker(lambda: (check_control_groups(), given_controllers()))
    enough = given is not None and {"cpu", "memory"} <= given
    assert str(check.verdict) == ("ok" if enough else "warning")
    assert bool(check.command) == (not enough)


def test_where_is_no_version_2(in_worker):
    def inside():
        syscalls.mount("none", Path("/sys/fs/cgroup"), "tmpfs")
        return given_controllers(), check_control_groups()

    given, check = in_worker(inside)
    assert given is None
    assert str(check.verdict) == "warning"
    assert "none of version 2" in check.seen
