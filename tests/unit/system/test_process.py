"""Programs: a small environment, output as it comes, and nobody left behind."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from amphora.core.errors import MissingToolError, ToolFailedError
from amphora.system.process import environment, find_tool, run, stream, tool_version

SECRETS = ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "LD_PRELOAD", "PYTHONPATH")


@pytest.fixture
def secrets(monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "/secret")


def streamed(*arguments, **options):
    chunks = []
    status = asyncio.run(stream(arguments, chunks.append, **options))
    return status, b"".join(chunks)


def alive(pid):
    """Does a process run? A zombie does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_no_variable_of_ours_reaches_a_program(secrets, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    allowed = {"PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "LC_ALL", "https_proxy", "NO_PROXY"}
    for output in (run(["env"]), streamed("env")[1]):
        seen = dict(line.split("=", 1) for line in output.decode().splitlines())
        assert set(seen) <= allowed | {name for name in seen if name.lower().endswith("_proxy")}
        assert not set(seen) & set(SECRETS)
        assert seen["https_proxy"] == "http://proxy:3128"
        assert seen["NO_PROXY"] == "localhost"
        assert seen["LC_ALL"] == "C.UTF-8"


def test_errors_are_part_of_the_output_unless_somebody_else_takes_them():
    script = ("sh", "-c", "echo one; echo two >&2; echo three; exit 3")
    assert streamed(*script) == (3, b"one\ntwo\nthree\n")
    errors = []
    assert streamed(*script, on_errors=errors.append) == (3, b"one\nthree\n")
    assert b"".join(errors) == b"two\n"
    # More than a pipe holds, in both.
    noise = "head -c 300000 /dev/zero; head -c 400000 /dev/zero >&2"
    errors.clear()
    status, output = streamed("sh", "-c", noise, on_errors=errors.append)
    assert (status, len(output), sum(map(len, errors))) == (0, 300_000, 400_000)


def test_who_fails_to_hear_errors_ends_the_program():
    def fail(chunk):
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        streamed("sh", "-c", "echo x >&2; exec sleep 600", on_errors=fail)


def test_variables_are_added_on_purpose_only():
    assert environment({"ONE": "1"})["ONE"] == "1"
    assert b"ONE=1" in streamed("env", extra_environment={"ONE": "1"})[1]


@pytest.mark.parametrize("path", [None, ""])
def test_there_is_always_a_path(monkeypatch, path):
    monkeypatch.delenv("PATH") if path is None else monkeypatch.setenv("PATH", path)
    assert "/usr/bin" in environment()["PATH"].split(":")
    assert Path(find_tool("sh", "dash")).is_absolute()


def test_an_empty_path_does_not_mean_the_current_directory(monkeypatch, tmp_path):
    planted = tmp_path / "planted-tool"
    planted.write_text("#!/bin/sh\n")
    planted.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingToolError):
        find_tool("planted-tool", "some-package")


def test_a_missing_tool_names_the_package_to_install():
    with pytest.raises(MissingToolError, match="no-such-tool is not installed") as caught:
        find_tool("no-such-tool", "some-package")
    assert caught.value.next_command == "sudo apt-get install some-package"
    assert tool_version("no-such-tool") is None


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("crun version 1.8.1", "1.8.1"),
        ("pasta 0.0~git20250503.587980c-2", "0.0~git20250503.587980c-2"),
        ("pasta unknown version", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_version_is_the_last_word_if_it_is_one(line, version, tmp_path, monkeypatch):
    tool = tmp_path / "some-tool"
    tool.write_text(f"#!/bin/sh\necho '{line}'\necho 'Copyright 1999'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert tool_version("some-tool") == version


def test_a_tool_that_does_not_end_in_time_is_killed(tmp_path):
    with pytest.raises(ToolFailedError, match="sleep did not end") as caught:
        run(["sleep", "314159"], patience=0.1)
    assert caught.value.why == "it was waited for 0.1 seconds"
    assert caught.value.next_command.endswith("sleep 314159")


def test_a_failing_tool_is_quoted_with_its_last_lines_and_its_status():
    script = "for i in $(seq 30); do echo line $i; done; echo broken >&2; exit 3"
    with pytest.raises(ToolFailedError, match="sh exited with status 3") as caught:
        run(["sh", "-c", script])
    assert caught.value.why.startswith("line 17; ")
    assert caught.value.why.endswith("line 30; broken")
    with pytest.raises(ToolFailedError) as caught:
        run(["false"])
    assert caught.value.why == "it printed nothing"


def test_a_tool_gets_its_input_and_says_how_a_signal_ended_it():
    assert run(["cat"], stdin=b"hello") == b"hello"
    with pytest.raises(ToolFailedError, match="status 137"):
        run(["sh", "-c", "kill -9 $$"])


def test_a_short_tool_has_its_own_session():
    """So that a Ctrl-C does not look like its failure."""
    session = run(["cut", "-d", " ", "-f", "6", "/proc/self/stat"])
    assert int(session) != os.getsid(0)


def test_output_and_errors_come_in_the_order_they_were_written():
    script = "for i in 1 2 3; do echo out$i; echo err$i >&2; done; exit 7"
    assert streamed("sh", "-c", script) == (7, b"out1\nerr1\nout2\nerr2\nout3\nerr3\n")


def test_all_output_arrives_however_much_it_is():
    assert streamed("head", "-c", "3000000", "/dev/zero") == (0, bytes(3000000))


def test_a_signal_that_ends_a_program_is_its_status_as_in_a_shell():
    assert streamed("sh", "-c", "kill -TERM $$")[0] == 128 + signal.SIGTERM


def test_a_program_has_no_input_and_its_own_session():
    assert streamed("cat") == (0, b"")
    _, session = streamed("sh", "-c", "exec ps -o sid= -p $$")
    assert int(session) != os.getsid(0)


def test_descriptors_are_passed_on_by_name_only():
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    script = f"echo given >/dev/fd/{write_end}"
    try:
        assert streamed("sh", "-c", script)[0] != 0
        assert streamed("sh", "-c", script, pass_fds=[write_end])[0] == 0
        assert os.read(read_end, 100) == b"given\n"
    finally:
        os.close(read_end)
        os.close(write_end)


def cancelled_when_ready(script, **options):
    """Cancel a shell script once it has said who it is; returns all it printed."""
    chunks = []

    async def main():
        started = asyncio.Event()

        def on_output(chunk):
            chunks.append(chunk)
            if b"ready" in b"".join(chunks):
                started.set()

        task = asyncio.create_task(stream(["sh", "-c", script], on_output, **options))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    return b"".join(chunks).decode()


def test_a_cancelled_program_is_asked_to_end_first(tmp_path):
    trap = f"trap 'echo ending; echo ended >{tmp_path}/trace; exit' TERM"
    script = f"{trap}; echo $$ ready; while :; do sleep 0.02; done"
    pid = int(cancelled_when_ready(script, grace=30).split()[0])
    assert (tmp_path / "trace").read_text() == "ended\n"
    assert not alive(pid)


def test_a_program_that_does_not_listen_is_killed_with_all_it_started():
    script = "trap '' TERM; setsid sleep 600 & echo $$ $! ready; wait; sleep 600"
    pids = cancelled_when_ready(script, grace=0.1).split()[:2]
    assert [alive(pid) for pid in pids] == [False, False]


def test_without_grace_nobody_is_asked(tmp_path):
    script = f"trap 'touch {tmp_path}/asked' TERM; echo $$ ready; while :; do sleep 0.02; done"
    pid = cancelled_when_ready(script, grace=0).split()[0]
    assert not alive(pid)
    assert list(tmp_path.iterdir()) == []


def test_a_listener_that_fails_ends_the_program_too():
    pids = []

    def fail(chunk):
        pids.append(int(chunk))
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        asyncio.run(stream(["sh", "-c", "echo $$; exec sleep 600"], fail))
    assert not alive(pids[0])


def children():
    """Ours, but for the one that lists them; servers of other tests may be among them."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="], stdout=subprocess.PIPE, check=True
    )
    return {line for line in listed.stdout.splitlines() if not line.endswith(b" ps")}


def descriptors():
    return set(os.listdir("/proc/self/fd"))


def test_no_child_and_no_descriptor_is_left_behind():
    opened, started = descriptors(), children()
    for _ in range(3):
        streamed("true")
        cancelled_when_ready("echo ready; sleep 600", grace=0)
    # What other tests have forgotten may be closed meanwhile.
    assert descriptors() <= opened
    assert children() <= started


def test_a_program_that_does_not_exist_is_an_error_that_leaves_no_descriptor():
    opened = descriptors()
    with pytest.raises(FileNotFoundError):
        streamed("/no/such/program")
    assert descriptors() <= opened
