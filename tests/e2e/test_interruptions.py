"""Stopped at any moment, by Ctrl-C or kill -9, and run again: it works and nothing is left.

The moments are random but seeded, and spread over the time that the whole command takes.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "linux/amd64,linux/arm64"
#: In the command line of everything that a RUN step starts.
MARK = "amphora-interrupted-step"
#: What an interrupted program may end with: it finished first, Ctrl-C, killed, or Ctrl-C
#: before Python was ready for it.
ENDINGS = {0, 130, -signal.SIGKILL, -signal.SIGINT}

DOCKERFILE = f"""\
FROM busybox AS files
ARG ROUND
COPY tree /tree
RUN : {MARK}; mkdir /made; for i in $(seq 250); do echo $ROUND $i > /made/$i; done
RUN : {MARK}; head -c 3000000 /dev/zero | tr '\\000' x > /large; rm -r /tree/0
FROM busybox
ARG ROUND
WORKDIR /work
RUN : {MARK}; echo $ROUND > round; rm /bin/vi; uname -m > machine
COPY --from=files /made /made
COPY --from=files /large /tree/1 /data/
LABEL round=$ROUND
"""


def send_sigint(process):
    process.send_signal(signal.SIGINT)


def send_sigint_to_group(process):
    """As a terminal does for Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


def send_sigkill(process):
    process.kill()


def moments(count, duration):
    """(seconds, how to interrupt), half of them kill -9; each slice of the duration has one."""
    chance = random.Random(20)
    ways = [send_sigkill, send_sigint, send_sigkill, send_sigint_to_group]
    slices = chance.sample(range(count), count)
    for number in range(count):
        yield (slices[number] + chance.random()) * duration / count, ways[number % len(ways)]


def interrupt(amphora, arguments, seconds, interruption):
    """Run a command, interrupt it, and see that it ended as it should, without a traceback."""
    process = subprocess.Popen(
        amphora.command(*arguments),
        env=amphora.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(seconds)
    interruption(process)
    _, said = process.communicate()
    assert process.returncode in ENDINGS, said
    if process.returncode != -signal.SIGINT:
        assert "Traceback" not in said, said


def timed(function, *arguments):
    started = time.monotonic()
    result = function(*arguments)
    return result, time.monotonic() - started


def write_context(directory):
    for number in range(300):
        path = directory / "tree" / str(number % 3) / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content {number}\n")
    (directory / "Dockerfile").write_text(DOCKERFILE)
    return directory


def build_arguments(context, registry, round_number):
    name = f"{registry}/interrupted:latest"
    arguments = ("build", "--platform", BOTH, "-t", name, "--push", "--format", "json")
    return (*arguments, "--build-arg", f"ROUND={round_number}", context)


def assert_nothing_remains(amphora, remains):
    remains.wait_for_processes()
    assert not remains.mounts()
    assert not remains.files()
    amphora.ok("store", "check")


def test_a_build_interrupted_at_fifty_moments(seeded, registry, remains, tmp_path):
    seeded.environment["SOURCE_DATE_EPOCH"] = "1700000000"
    context = write_context(tmp_path / "context")
    first, duration = timed(seeded.ok, *build_arguments(context, registry, "last"))
    expected = json.loads(first)["digest"]
    shutil.rmtree(seeded.store / "snapshots")
    seeded.ok("store", "gc", "--cache")

    for number, (seconds, interruption) in enumerate(moments(50, duration)):
        arguments = build_arguments(context, registry, number)
        interrupt(seeded, arguments, seconds, interruption)
        remains.wait_for_processes()
        assert not remains.processes(MARK)
        assert not remains.mounts()
        if number % 8 == 7:
            seeded.ok(*arguments)
            assert_nothing_remains(seeded, remains)
            # So that the layers are unpacked, and interrupted in that, again.
            shutil.rmtree(seeded.store / "snapshots")

    arguments = build_arguments(context, registry, "last")
    assert json.loads(seeded.ok(*arguments))["digest"] == expected
    assert_nothing_remains(seeded, remains)
    seeded.ok("verify", "--cmd", "cat /work/machine", f"{registry}/interrupted")
