"""Groups that several processes share: one set of limits, parts that tell, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amphora.core.errors import ControlGroupError, InvalidValueError
from amphora.system import syscalls
from amphora.system.cgroup_limits import Limits
from amphora.system.cgroup_places import places
from amphora.system.cgroup_shared import group_below, shared_group

pytestmark = pytest.mark.privileged

_PATIENCE = 30
GREEDY = "import sys; x = bytearray(200 << 20); sys.exit(0)"


@pytest.fixture
def key(tmp_path):
    """Of this test alone, whoever else runs tests."""
    if os.geteuid() != 0 or {"memory", "cpu"} - places().keys():
        pytest.skip("no control groups for memory and cpu, or not root")
    return f"test-{os.getpid()}-{abs(hash(tmp_path))}"


def directories(key):
    tops = {place.top for place in places().values()}
    return [path for top in tops if (path := top / f"amphora.{key}").exists()]


def run(part, *command):
    return subprocess.run(part.command(command), pass_fds=part.entrances, check=False)


def test_a_part_takes_no_more_than_the_group_has(key):
    with shared_group(key, Limits(memory=32 << 20, cpus=0.5), "it has 32m") as group:
        assert directories(key)
        with group.part() as greedy, group.part() as modest:
            assert run(greedy, sys.executable, "-c", GREEDY).returncode == -signal.SIGKILL
            assert run(modest, "/bin/true").returncode == 0
            assert greedy.starved()
            assert not modest.starved()
    assert directories(key) == []


def test_who_enters_is_in_it_and_we_are_not(key):
    with shared_group(key, Limits(memory=64 << 20), "") as group, group.part() as part:
        shown = subprocess.run(
            part.command(["/bin/cat", "/proc/self/cgroup"]),
            pass_fds=part.entrances,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert f"amphora.{key}/" in shown
        assert key not in Path("/proc/self/cgroup").read_text()


def test_two_users_have_one_group_which_the_last_one_removes(key):
    limits = Limits(memory=48 << 20)
    with shared_group(key, limits, "") as first:
        with shared_group(key, limits, "") as second:
            inodes = [os.fstat(group.directories[0]).st_ino for group in (first, second)]
            assert len(set(inodes)) == 1
        assert directories(key)
        with first.part() as part:
            assert run(part, "/bin/true").returncode == 0
    assert directories(key) == []


def test_both_together_take_no_more(key):
    """Each alone would have enough."""
    hold = "import time; x = bytearray(40 << 20); print('has', flush=True); time.sleep(600)"
    with (
        shared_group(key, Limits(memory=64 << 20), "") as group,
        group.part() as one,
        group.part() as two,
    ):
        first = subprocess.Popen(
            one.command([sys.executable, "-c", hold]),
            pass_fds=one.entrances,
            stdout=subprocess.PIPE,
        )
        with first:
            assert first.stdout.readline() == b"has\n"
            run(two, sys.executable, "-c", hold.replace("600", "0"))
            assert one.starved() or two.starved()
            first.kill()


SCRIPT = """
import os, sys, time
from amphora.system.cgroup_limits import Limits
from amphora.system.cgroup_shared import shared_group
with shared_group(sys.argv[1], Limits(memory=int(sys.argv[2])), "") as group:
    with group.part():
        print("in", flush=True)
        time.sleep(float(sys.argv[3]))
"""


def test_what_a_killed_one_left_is_made_anew(key):
    """With the limits of whoever comes next, higher or lower."""
    for memory in (32 << 20, 96 << 20, 16 << 20):
        left = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, key, str(memory), "600"], stdout=subprocess.PIPE
        )
        with left:
            assert left.stdout.readline() == b"in\n"
            left.kill()
        assert directories(key)
    with shared_group(key, Limits(memory=64 << 20), "") as group:
        directory = group.directories[0]
        files = [("memory.limit_in_bytes"), ("memory.max")]
        found = [name for name in files if name in os.listdir(directory)]
        descriptor = os.open(found[0], os.O_RDONLY, dir_fd=directory)
        assert os.read(descriptor, 99) == b"%d\n" % (64 << 20)
        os.close(descriptor)
    assert directories(key) == []


def test_many_at_once(key):
    """Coming, going and being killed: nobody fails, and nothing is left."""
    command = [sys.executable, "-c", SCRIPT, key, str(32 << 20)]
    children = [subprocess.Popen([*command, str(n % 3 / 20)]) for n in range(12)]
    for child in children[::4]:
        child.kill()
    statuses = [child.wait(_PATIENCE) for child in children]
    assert [status for status in statuses if status not in {0, -signal.SIGKILL}] == []
    with shared_group(key, Limits(memory=32 << 20), ""):
        pass
    assert directories(key) == []


def test_below_a_group_that_is_there(key):
    top = places()["memory"].top
    parent = top / f"parent-{key}"
    parent.mkdir()
    try:
        (parent / "inner").mkdir()
        with group_below(f"/parent-{key}/inner") as group, group.part() as part:
            inside = list((parent / "inner").glob("amphora.*/*/cgroup.procs"))
            assert len(inside) == 1
            child = subprocess.Popen(part.command(["/bin/sleep", "600"]), pass_fds=part.entrances)
            with child:
                deadline = time.monotonic() + _PATIENCE
                while inside[0].read_text().split() != [str(child.pid)]:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                child.kill()
        left = parent / "inner/amphora.left"
        left.mkdir()
        with group_below(f"parent-{key}/inner/"):
            assert not left.exists()
        assert [path for path in (parent / "inner").iterdir() if path.is_dir()] == []
    finally:
        (parent / "inner").rmdir()
        parent.rmdir()


def test_below_a_group_of_every_hierarchy(key):
    """Of both versions, also where a new group has no CPUs before it is given some."""
    tops = {place.top for place in places().values()}
    parents = [top / f"parent-{key}" for top in tops]
    try:
        for parent in parents:
            parent.mkdir()
            if (parent / "cgroup.clone_children").exists() and (parent / "cpuset.cpus").exists():
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (parent / name).write_text((parent.parent / name).read_text())
        with group_below(f"/parent-{key}") as group, group.part() as part:
            assert len(part.entrances) == len(tops)
            shown = subprocess.run(
                part.command(["/bin/cat", "/proc/self/cgroup"]),
                pass_fds=part.entrances,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            inside = [line for line in shown.splitlines() if f"/parent-{key}/amphora." in line]
            assert len(inside) == len(tops)
    finally:
        for parent in parents:
            parent.rmdir()


def test_a_parent_that_is_not_there(key):
    with (
        pytest.raises(ControlGroupError, match=f"there is no control group /{key}"),
        group_below(f"/{key}"),
    ):
        pass


@pytest.mark.parametrize("parent", ["", "/", "../up", "/a/../b", "./a"])
def test_a_parent_that_is_no_path_below_the_top(parent):
    with pytest.raises(InvalidValueError, match="cannot be called"), group_below(parent):
        pass


def test_what_no_hierarchy_has_is_not_promised(in_worker):
    def inside():
        while known := places():
            for top in {place.top for place in known.values()}:
                syscalls.mount("none", top, "tmpfs")
        try:
            with shared_group("any", Limits(memory=1 << 30), ""):
                return "kept"
        except ControlGroupError as error:
            return error.what

    assert in_worker(inside) == "memory cannot be limited here"
