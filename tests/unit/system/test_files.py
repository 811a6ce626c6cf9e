"""Files that are whole or not there, locks between processes, full disks."""

import errno
import io
import os
import subprocess
import sys
import threading

import pytest
from locks import until_waited_for

from amphora.core.errors import DiskFullError
from amphora.system.files import copy_file, explain_full_disk, is_locked, locked, write_atomically

HOLDER = """
import sys, time
from pathlib import Path
from amphora.system.files import locked
with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    old = path.open("rb")
    write_atomically(path, b"new", mode=0o600)
    with old:
        assert old.read() == b"old"  # Who had it open still sees the old one, whole.
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "directory"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_says_so():
    with pytest.raises(DiskFullError, match="below /dev"), explain_full_disk("/dev"):
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_and_no_quota_are_a_full_disk(number, tmp_path):
    with pytest.raises(DiskFullError), explain_full_disk(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), explain_full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "no")


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds a lock on `lock`; it is killed at the end."""
    processes = []

    def hold(kind):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, tmp_path / "lock", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield hold
    for process in processes:
        with process:
            process.kill()


def test_a_lock_is_respected_until_its_holder_is_killed(holder, tmp_path):
    process = holder("exclusive")
    with pytest.raises(BlockingIOError), locked(tmp_path / "lock", wait=False):
        pytest.fail("two hold an exclusive lock")
    process.kill()
    with locked(tmp_path / "lock"):
        assert process.wait() < 0


def test_shared_locks_are_shared_and_keep_exclusive_ones_out(holder, tmp_path):
    holder("shared")
    with locked(tmp_path / "lock", shared=True, wait=False):
        pass
    with pytest.raises(BlockingIOError), locked(tmp_path / "lock", wait=False):
        pytest.fail("exclusive beside shared")


def test_a_lock_is_not_inherited_by_programs(tmp_path):
    with locked(tmp_path / "lock"):
        child = subprocess.Popen(["sleep", "60"])
    try:
        with locked(tmp_path / "lock", wait=False):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_one_may_ask_about_a_lock_without_having_it(holder, tmp_path):
    lock = tmp_path / "lock"
    assert not is_locked(lock)
    assert not lock.exists()
    process = holder("shared")
    assert is_locked(lock)
    assert not is_locked(lock, shared=True)
    process.kill()
    process.wait()
    assert not is_locked(lock)
    with locked(lock):
        assert is_locked(lock, shared=True)


def test_who_waited_for_a_lock_that_was_removed_locks_the_next_of_that_name(tmp_path):
    lock = tmp_path / "lock"
    done = threading.Event()

    def take():
        with locked(lock):
            ours.set()
            done.wait()

    ours = threading.Event()
    with locked(lock):
        waiting = threading.Thread(target=take)
        waiting.start()
        until_waited_for(lock)
        lock.unlink()
    try:
        ours.wait()
        assert is_locked(lock)
        with pytest.raises(BlockingIOError), locked(lock, wait=False):
            pytest.fail("two hold the lock of one name")
    finally:
        done.set()
        waiting.join()


def _at_end(path):
    """A file that is appended to, which sendfile(2) does not write to."""
    path.write_bytes(b"first ")
    return path.open("ab")


@pytest.mark.parametrize(
    "opened",
    [lambda path: path.open("wb"), _at_end, lambda path: io.BytesIO()],
    ids=["file", "appended", "memory"],
)
def test_the_rest_of_a_file_is_written_behind_what_was_written(opened, tmp_path):
    (tmp_path / "source").write_bytes(b"skipped" + bytes(range(256)) * 10_000)
    with (tmp_path / "source").open("rb") as source, opened(tmp_path / "output") as output:
        assert source.read(7) == b"skipped"
        output.write(b"header ")
        copy_file(source, output)
        output.write(b" end")
        output.flush()
        memory = output.getvalue() if isinstance(output, io.BytesIO) else None
    written = (tmp_path / "output").read_bytes() if memory is None else memory
    assert written.removeprefix(b"first ") == b"header " + bytes(range(256)) * 10_000 + b" end"


def test_the_rest_of_a_file_goes_into_a_pipe(tmp_path):
    (tmp_path / "source").write_bytes(bytes(1_000_000))
    with subprocess.Popen(["wc", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as counted:
        with (tmp_path / "source").open("rb") as source, counted.stdin as output:
            copy_file(source, output)
        assert int(counted.stdout.read()) == 1_000_000
