"""`amphora emulator` and its flags, on a host whose table is its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS

pytestmark = pytest.mark.privileged

AMPHORA = Path(sys.executable).with_name("amphora")
ENTRY = "amphora-s390x"


def emulator(*arguments):
    """What the command did."""
    return subprocess.run(
        [AMPHORA, "emulator", *arguments],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run"},
        capture_output=True,
        text=True,
        check=False,
    )


def told(*arguments):
    """The JSON that it printed."""
    done = emulator(*arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def actions(answer):
    return {step["platform"]: step["action"] for step in answer["steps"]}


def names():
    return [entry["name"] for entry in told("ls") if entry["cpus"]]


def test_installed_with_the_rights_of_owners(on_host):
    def inside(_host):
        emulator("install", "s390x")
        [without] = told("ls")
        again = told("install", "s390x", "--credentials")
        [given] = told("ls")
        return without["flags"], actions(again), given["flags"]

    without, again, given = on_host(inside)
    assert "C" not in without
    assert again == {"linux/s390x": "replace"}
    assert "C" in given


@pytest.mark.parametrize("command", ["uninstall", "reset"])
def test_what_is_removed_is_shown_before(on_host, command):
    def inside(_host):
        emulator("install", "s390x")
        planned = told(command, "--dry-run")
        between = names()
        return planned, between, told(command, "--format", "json"), names()

    planned, between, done, after = on_host(inside)
    assert [step["current"]["name"] for step in planned["steps"]] == [ENTRY]
    assert "done" not in planned["steps"][0]
    assert between == [ENTRY]
    assert actions(done) == actions(planned) == {"linux/s390x": "remove"}
    assert done["steps"][0]["done"] is True
    assert after == []


def test_what_is_pinned_anew_is_shown_before(on_host, tmp_path):
    path, source = tmp_path / "qemu", find_emulator(FORMATS["s390x"]).path

    def upgrade():
        shutil.copy(source, tmp_path / "new")
        (tmp_path / "new").rename(path)

    def inside(_host):
        upgrade()
        emulator("install", "s390x", "--with", f"qemu={path}")
        same = actions(told("update", "--dry-run"))
        upgrade()
        planned = actions(told("update", "--dry-run"))
        stale = told("ls")[0]["stale"]
        done = actions(told("update", "--format", "json"))
        return same, planned, stale, done, told("ls")[0]["stale"]

    same, planned, stale, done, after = on_host(inside)
    assert same == {"linux/s390x": "keep"}
    assert planned == done == {"linux/s390x": "replace"}
    assert (stale, after) == (True, False)


@pytest.mark.parametrize("command", ["uninstall", "reset", "update"])
def test_the_machine_s_table_is_insisted_on(on_host, command):
    """This host is a user namespace, and its table another one than the machine's."""

    def inside(_host):
        emulator("install", "s390x")
        refused = emulator(command, "--host")
        return refused.returncode, refused.stderr, names()

    status, errors, left = on_host(inside)
    assert status == 24
    assert "this container cannot reach the table of its machine" in errors
    assert left == [ENTRY]
