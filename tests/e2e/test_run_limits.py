"""What all processes of a container may take together; test_ordinary_user.py has the rest."""

import json
import os
import subprocess

import pytest
from waiting import wait_until

from amphora.system.cgroup_places import places

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

_PATIENCE = 30

#: Takes a hundred megabytes, and says so if it may.
GREEDY = "head -c 100000000 /dev/zero | tail -n 1 | wc -c; echo $?"


def script(amphora, text, *flags):
    return amphora("run", *flags, "busybox", "sh", "-c", text)


def needs(*controllers):
    """Root may use them here, of either version."""
    lacking = set(controllers) - places().keys()
    if os.getuid() != 0 or lacking:
        pytest.skip(f"no control groups for {', '.join(lacking) or 'whoever is not root'}")


def test_memory(seeded):
    needs("memory")
    free, limited = (script(seeded, GREEDY, *flags) for flags in ((), ("--memory=32m",)))
    assert free.stdout.split() == ["100000000", "0"]
    assert "100000000" not in limited.stdout
    assert "limited" not in limited.stderr


def test_processes(seeded):
    needs("pids")
    text = "for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; echo all"
    assert script(seeded, text).stdout == "all\n"
    few = script(seeded, text, "--pids-limit=5")
    assert few.returncode != 0
    assert "can't fork" in few.stderr
    for none in ("0", "-1"):
        assert script(seeded, text, f"--pids-limit={none}").stdout == "all\n"


def test_cpus(seeded):
    """A tenth of a CPU: what takes a second of it is not done after five."""
    needs("cpu")
    text = "timeout 2 sh -c 'while :; do :; done'; cat /proc/self/cgroup; times"
    done = script(seeded, text, "--cpus=0.1")
    user, system = (_seconds(word) for word in done.stdout.split()[-2:])
    assert 0.05 < user + system < 0.8


def _seconds(text):
    minutes, _, seconds = text.removesuffix("s").partition("m")
    return 60 * int(minutes) + float(seconds)


def test_the_groups_go_with_the_container(seeded):
    needs("memory", "pids")
    process = subprocess.Popen(
        seeded.command("run", "--memory=64m", "--pids-limit=50", "busybox", "sleep", "600"),
        env=seeded.environ(),
        stdin=subprocess.DEVNULL,
    )
    groups = [each for name in ("memory", "pids") for each in _groups(name, process.pid)]
    wait_until(lambda: json.loads(seeded.ok("ps", "--format=json")))
    assert [group for group in groups if group.is_dir()]
    process.kill()
    process.wait()
    # Nobody was there to remove them: the next one does.
    lists = [group / "cgroup.procs" for group in groups]
    wait_until(lambda: not any(each.read_text() for each in lists if each.exists()))
    assert script(seeded, "true", "--memory=64m", "--pids-limit=50").returncode == 0
    assert not [group for group in groups if group.is_dir()]


def test_nothing_is_left_of_one_that_ended(seeded):
    needs("memory", "pids")
    process = subprocess.Popen(
        seeded.command("run", "--memory=64m", "--pids-limit=50", "busybox", "true"),
        env=seeded.environ(),
        stdin=subprocess.DEVNULL,
    )
    assert process.wait(_PATIENCE) == 0
    groups = [each for name in ("memory", "pids") for each in _groups(name, process.pid)]
    assert not [group for group in groups if group.is_dir()]


def _groups(controller, process):
    """Where a group of a process may be, in either version."""
    place = places()[controller]
    return [parent / f"amphora-{process}" for parent in {place.own, place.top}]
