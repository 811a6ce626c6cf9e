"""Names of containers: taken by one at a time, and free again when whoever had one was killed."""

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from locks import until_waited_for
from waiting import wait_until

from amphora.core.errors import ContainerError
from amphora.launch.live import (
    LiveContainer,
    describe,
    is_running,
    live_containers,
    name_taken,
    stop,
)
from amphora.system.files import locked


def live(name, process=1):
    stop_signal = signal.SIGCONT
    return LiveContainer(
        name, "image", "linux/amd64", "native", ("true",), process, "/b", "now", stop_signal
    )


@pytest.fixture
def left(tmp_path):
    """What a killed container left: its lock, which nobody holds, and its description."""
    with name_taken(tmp_path, "web") as file:
        describe(file, live("web"))
        content = file.read_bytes()
    lock = file.with_suffix(".lock")
    lock.touch()
    file.write_bytes(content)
    return lock


def test_a_name_is_had_by_one(tmp_path):
    with name_taken(tmp_path, "web") as file:
        describe(file, live("web"))
        assert live_containers(tmp_path) == [live("web")]
        with (
            pytest.raises(ContainerError, match="called web already"),
            name_taken(tmp_path, "web"),
        ):
            pytest.fail("two have one name")
    assert live_containers(tmp_path) == []


def test_what_a_killed_one_left_is_removed(tmp_path, left):
    assert live_containers(tmp_path) == []
    assert [path.name for path in left.parent.iterdir()] == [".lock"]


def test_a_name_that_is_taken_while_others_are_freed_stays_taken(tmp_path, left):
    gate = left.with_name(".lock")
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        with locked(gate):
            listing = threads.submit(live_containers, tmp_path)
            until_waited_for(gate)
            stack.enter_context(locked(left))
        assert listing.result() == []
        assert left.exists()
        assert is_running(tmp_path, "web")


def test_who_waited_for_the_end_of_a_container_keeps_nobody_out(tmp_path, left):
    def take():
        with name_taken(tmp_path, "web"):
            return is_running(tmp_path, "web")

    with ThreadPoolExecutor() as threads:
        with locked(left, shared=True):  # as `wait` does for a moment
            assert not is_running(tmp_path, "web")
            taking = threads.submit(take)
            until_waited_for(left)
        assert taking.result()


def test_whoever_ran_a_container_that_ended_is_not_asked_to_stop(tmp_path):
    with subprocess.Popen(["sleep", "1.5"]) as process, ThreadPoolExecutor() as threads:
        with name_taken(tmp_path, "web") as file:
            container = live("web", process.pid)
            describe(file, container)
            status = Path(f"/proc/{process.pid}/status")
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: "T (stopped)" in status.read_text())
            stopping = threads.submit(stop, tmp_path, container, 1.0)
            # What the container is asked to stop with wakes it up.
            wait_until(lambda: "T (stopped)" not in status.read_text())
        stopping.result()
        assert process.wait() == 0
