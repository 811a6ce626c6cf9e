"""Where this process is among control groups: as the kernel says it, whatever the machine has."""

import os

from amphora.system.cgroup_places import places


def test_our_own_groups_are_ours():
    found = places()
    for controller, place in found.items():
        assert place.own.is_relative_to(place.top), controller
        processes = (place.own / "cgroup.procs").read_text().split()
        assert str(os.getpid()) in processes, controller
    assert {place.version for place in found.values()} <= {1, 2}
