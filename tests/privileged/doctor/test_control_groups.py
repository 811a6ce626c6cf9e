"""Control groups as this machine has them, and as one without any would."""

import pytest

from amphora.doctor.control_groups import check_control_groups
from amphora.system import syscalls
from amphora.system.cgroup_places import places

pytestmark = pytest.mark.privileged


def test_what_this_machine_gives_is_what_is_told(in_worker):
    check, known = in_worker(lambda: (check_control_groups(), places()))
    if "was made" in check.seen:
        assert {"cpu", "memory"} <= known.keys()
    enough = str(check.verdict) == "ok"
    assert bool(check.command) == (not enough)


def test_where_there_are_none(in_worker):
    def inside():
        while known := places():
            for top in {place.top for place in known.values()}:
                syscalls.mount("none", top, "tmpfs")
        return check_control_groups()

    check = in_worker(inside)
    assert str(check.verdict) == "warning"
    assert "no cpu and memory" in check.seen
