"""Killing a program with all that it started, also when the kernel does not let it end."""

import os
import subprocess
from pathlib import Path

import pytest
from waiting import wait_until

from amphora.system.descendants import kill_with_descendants

pytestmark = pytest.mark.privileged


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_cannot_end_is_not_waited_for(in_worker):
    """A namespace's first process stays as long as somebody outside does not reap one in it."""

    def inside():
        program = subprocess.Popen(["unshare", "--pid", "--fork", "sleep", "1000"])
        [first] = wait_until(lambda: children(program.pid))
        careless = "sleep 1000 & exec sleep 2000"
        enter = ["nsenter", "--no-fork", "--pid", f"--target={first}"]
        parent = subprocess.Popen([*enter, "sh", "-c", careless])
        [entered] = wait_until(lambda: children(parent.pid))
        kill_with_descendants(program.pid)
        states = state(program.pid), state(entered)
        was_there = Path(f"/proc/{first}").exists()
        parent.kill()
        parent.wait()
        # The worker's first process, which this is, has both by now.
        os.waitpid(entered, 0)
        os.waitpid(first, 0)
        return states, was_there, program.wait()

    states, was_there, status = in_worker(inside)
    assert states == ("Z", "Z")
    assert was_there
    assert status == -9
