"""Containers in the background: what they write and how they end is kept until `amphora rm`."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from cpus import MACHINES
from terminals import Terminal
from waiting import wait_until

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

_PATIENCE = 30


def listed(amphora, *flags):
    return json.loads(amphora.ok("ps", "--format=json", *flags))


@pytest.fixture
def background(seeded):
    """Start a shell script in the background; returns the container's name."""

    def call(text, *flags):
        return seeded.ok("run", "-d", *flags, "busybox", "sh", "-c", text).strip()

    yield call
    for each in listed(seeded, "-a"):
        seeded("rm", "-f", each["name"])


@pytest.mark.parametrize("platform", MACHINES)
def test_from_the_beginning_to_the_end(seeded, background, remains, platform):
    """That `run` returns although its output is a pipe shows that nobody holds that any more."""
    text = "echo out; echo err >&2; trap 'echo end; exit 5' TERM; while :; do sleep 0.1; done"
    name = background(text, "--platform", platform)
    assert re.fullmatch(r"[0-9a-f]{12}", name)
    (only,) = listed(seeded)
    assert (only["name"], only["state"], only["platform"]) == (name, "running", platform)
    wait_until(lambda: seeded("logs", name).stderr == "err\n")
    assert seeded.ok("logs", name[:5]) == "out\n"
    assert seeded.ok("exec", name, "sh", "-c", "echo beside; exit 0") == "beside\n"

    seeded.ok("stop", name)
    assert listed(seeded) == []
    (ended,) = listed(seeded, "-a")
    assert (ended["state"], ended["exit_code"]) == ("exited", 5)
    assert ended["finished"] >= ended["started"]
    assert seeded.ok("ps", "-a").splitlines()[1].split()[4:6] == ["exited", "(5)"]
    assert seeded.ok("logs", name) == "out\nend\n"
    assert not remains.processes()
    assert not remains.files()

    assert seeded.ok("ps", "-aq") == f"{name}\n"
    assert seeded.ok("rm", name) == f"{name}\n"
    assert seeded.ok("ps", "-aq") == ""
    assert seeded("logs", name).returncode == 51
    assert list((seeded.store / "containers/kept").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("busybox", "nosuch"), 127, "nosuch is not in the container"),
        (("busybox", "/etc/passwd"), 126, "cannot be executed"),
        (("--pull=never", "no-such-image"), 125, "no image is called no-such-image"),
        (("-v", "/no/such:/x", "busybox"), 125, "there is no /no/such"),
    ],
)
def test_what_goes_wrong_before_it_begins_is_told(seeded, arguments, status, said):
    done = seeded("run", "-d", "--name=it", *arguments)
    assert (done.returncode, done.stdout, said in done.stderr) == (status, "", True), done.stderr
    assert listed(seeded, "-a") == []
    assert not (seeded.store / "containers/kept/it").exists()


def test_waiting_for_the_end(seeded, background):
    background("sleep 0.5; exit 7", "--name=one")
    background("kill -s KILL $$; exit 8", "--name=two")
    assert seeded.ok("wait", "one", "two") == "7\n8\n"
    assert seeded.ok("wait", "one") == "7\n"
    background("while [ ! -e /x ]; do sleep 0.1; done; exit 9", "--rm", "--name=three")
    waiting = subprocess.Popen(
        seeded.command("wait", "three"), env=seeded.environ(), stdout=subprocess.PIPE, text=True
    )
    seeded.ok("exec", "three", "touch", "/x")
    assert waiting.communicate(timeout=_PATIENCE)[0] == "9\n"
    # With --rm nothing is kept.
    wait_until(lambda: [each["name"] for each in listed(seeded, "-a")] == ["one", "two"])
    assert seeded("wait", "three").returncode == 51


def test_killed_with_whoever_ran_it(seeded, background, remains):
    background("echo said; sleep 600", "--name=it")
    background("sleep 600", "--rm", "--name=gone")
    wait_until(lambda: seeded.ok("logs", "it") == "said\n")
    for each in listed(seeded):
        os.kill(each["process"], signal.SIGKILL)
    remains.wait_for_processes()
    (killed,) = listed(seeded, "-a")
    assert (killed["name"], killed["state"], killed["exit_code"]) == ("it", "killed", 137)
    assert seeded.ok("logs", "it") == "said\n"
    assert seeded.ok("wait", "it") == "137\n"
    seeded.ok("rm", "it")
    assert not remains.mounts()


def test_logs(seeded, background):
    text = "for i in 1 2 3; do echo line $i; done; printf begun; sleep 1; echo, ended; echo last"
    background(text.replace("echo, ended", "echo ' ended'"), "--name=it")
    following = subprocess.Popen(
        seeded.command("logs", "-f", "it"), env=seeded.environ(), stdout=subprocess.PIPE, text=True
    )
    whole = "line 1\nline 2\nline 3\nbegun ended\nlast\n"
    assert following.communicate(timeout=_PATIENCE)[0] == whole
    assert seeded.ok("wait", "it") == "0\n"
    assert seeded.ok("logs", "it") == whole
    assert seeded.ok("logs", "--tail=2", "it") == "begun ended\nlast\n"
    assert seeded.ok("logs", "-n", "0", "-f", "it") == ""
    lines = seeded.ok("logs", "-t", "-n2", "it").splitlines()
    assert [line.partition("Z ")[2] for line in lines] == ["begun ended", "last"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]{15}Z ", line) for line in lines)


def test_it_survives_the_terminal_that_it_was_started_from(seeded, background):
    terminal = Terminal(
        seeded, "run", "-d", "--name=it", "busybox", "sh", "-c", "trap '' HUP; sleep 600"
    )
    terminal.read_until(rb"it\r\n")
    terminal.hang_up()
    os.waitpid(terminal.pid, 0)
    assert seeded.ok("exec", "it", "echo", "here") == "here\n"
    process = listed(seeded)[0]["process"]
    assert os.getsid(process) == process
    opened = {str(Path(f"/proc/{process}/fd/{number}").readlink()) for number in (0, 1)}
    assert opened == {"/dev/null"}
    assert Path(f"/proc/{process}/cwd").readlink() == Path("/")


def test_with_a_terminal_or_input_that_never_comes(seeded, background):
    """As people keep a shell alive: `docker run -dit`."""
    for name, flags in (("tty", ("-dit",)), ("input", ("-di",))):
        seeded.ok("run", *flags, "--name", name, "busybox", "sh")
    assert {each["name"] for each in listed(seeded)} == {"tty", "input"}
    assert "/dev/pts/0" in seeded.ok("exec", "tty", "readlink", "/proc/1/fd/0")
    wait_until(lambda: "# " in seeded.ok("logs", "tty"))
    # Without -i there is no input at all: a shell ends at once.
    background("cat", "--name=none")
    assert seeded.ok("wait", "none") == "0\n"


def test_a_name_is_taken_until_it_is_removed(seeded, background):
    background("exit 3", "--name=it")
    seeded.ok("wait", "it")
    for flags in (("-d",), ()):
        again = seeded("run", *flags, "--name=it", "busybox", "true")
        assert (again.returncode, "amphora rm it" in again.stderr) == (125, True)
    assert seeded.ok("logs", "it") == ""
    seeded.ok("rm", "it")
    background("sleep 600", "--name=it")
    refused = seeded("rm", "it")
    assert (refused.returncode, "rm -f it" in refused.stderr) == (51, True)
    seeded.ok("rm", "-f", "it")
    assert listed(seeded, "-a") == []


def test_nothing_is_kept_of_what_runs_in_the_foreground(seeded):
    process = subprocess.Popen(
        seeded.command("run", "--name=it", "busybox", "sleep", "600"),
        env=seeded.environ(),
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: listed(seeded))
        refused = seeded("logs", "it")
        assert (refused.returncode, "amphora run -d" in refused.stderr) == (51, True)
        waiting = subprocess.Popen(
            seeded.command("wait", "it"), env=seeded.environ(), stdout=subprocess.PIPE, text=True
        )
        seeded.ok("rm", "-f", "it")
        assert process.wait(_PATIENCE) == 137
        # If it came too late for the end, there is nothing to wait for.
        assert waiting.communicate(timeout=_PATIENCE)[0] in {"137\n", ""}
        assert listed(seeded, "-a") == []
    finally:
        process.kill()
        process.wait()
