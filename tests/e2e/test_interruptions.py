"""Stopped at any moment, by Ctrl-C or kill -9, and run again: it works and nothing is left.

The moments are random but seeded, and spread over the time that the whole command takes.
"""

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import closing

import pytest

from amphora.core.reference import Reference
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "linux/amd64,linux/arm64"
#: In the command line of everything that a RUN step starts.
MARK = "amphora-interrupted-step"
#: What an interrupted program may end with: it finished first, Ctrl-C, killed, or Ctrl-C
#: before Python was ready for it.
ENDINGS = {0, 130, -signal.SIGKILL, -signal.SIGINT}

LARGE_DOCKERFILE = """\
FROM busybox
COPY noise /noise
COPY more /more
"""

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


def moments(count, duration, seed):
    """(seconds, how to interrupt), half of them kill -9; each slice of the duration has one."""
    chance = random.Random(seed)
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


def assert_nothing_remains(amphora, remains, registry):
    remains.wait_for_processes()
    assert not remains.mounts()
    assert not remains.files()
    amphora.ok("store", "check")
    # A day later the registry gives interrupted uploads up when the next one begins.
    for upload in remains.uploads():
        os.utime(upload, (0, 0))
    connection = http.client.HTTPConnection(registry)
    with closing(connection):
        connection.request("POST", "/v2/next/blobs/uploads/")
        started = connection.getresponse()
        started.read()
        assert len(remains.uploads()) == 1
        connection.request("DELETE", started.headers["Location"])
        assert connection.getresponse().status == 204
    assert not remains.uploads()


def test_a_build_interrupted_at_fifty_moments(seeded, registry, remains, tmp_path):
    seeded.environment["SOURCE_DATE_EPOCH"] = "1700000000"
    context = write_context(tmp_path / "context")
    first, duration = timed(seeded.ok, *build_arguments(context, registry, "last"))
    expected = json.loads(first)["digest"]
    shutil.rmtree(seeded.store / "snapshots")
    seeded.ok("store", "gc", "--cache")

    for number, (seconds, interruption) in enumerate(moments(50, duration, seed=20)):
        arguments = build_arguments(context, registry, number)
        interrupt(seeded, arguments, seconds, interruption)
        remains.wait_for_processes(MARK)
        assert not remains.mounts()
        if number % 8 == 7:
            seeded.ok(*arguments)
            assert_nothing_remains(seeded, remains, registry)
            # So that the layers are unpacked, and interrupted in that, again.
            shutil.rmtree(seeded.store / "snapshots")

    arguments = build_arguments(context, registry, "last")
    assert json.loads(seeded.ok(*arguments))["digest"] == expected
    assert_nothing_remains(seeded, remains, registry)
    seeded.ok("verify", "--cmd", "cat /work/machine", f"{registry}/interrupted")


@pytest.fixture
def pushed(seeded, registry, context):
    """An image with some megabytes of layers, pushed: its name, its digest."""
    chance = random.Random(7)
    directory = context(LARGE_DOCKERFILE)
    for name in ("noise", "more"):
        (directory / name).write_bytes(chance.randbytes(20_000_000))
    name = f"{registry}/large:1"
    built = seeded.ok("build", "-q", "--platform", BOTH, "-t", name, "--push", directory)
    return name, built.strip()


def test_a_push_interrupted_at_fifteen_moments(seeded, registry, remains, pushed):
    _, digest = pushed
    source = f"{registry}/large:1"
    _, duration = timed(seeded.ok, "push", source)
    for number, (seconds, interruption) in enumerate(moments(15, 3 * duration, seed=21)):
        # A repository of its own each time, which has none of the layers yet.
        name = f"{registry}/large/{number}:1"
        tag(seeded, source, name)
        interrupt(seeded, ("push", name), seconds, interruption)
        assert digest in seeded.ok("push", name)
        assert digest in seeded.ok("pull", name)
    assert_nothing_remains(seeded, remains, registry)


def test_a_pull_interrupted_at_fifteen_moments(amphora, registry, remains, pushed):
    name, digest = pushed
    amphora.ok("image", "rm", name)
    amphora.ok("store", "gc", "--cache")
    _, duration = timed(amphora.ok, "pull", name)
    for seconds, interruption in moments(15, duration, seed=22):
        amphora.ok("image", "rm", name)
        interrupt(amphora, ("pull", name), seconds, interruption)
        assert digest in amphora.ok("pull", name)
    assert_nothing_remains(amphora, remains, registry)


def tag(amphora, source, name):
    """There is no `amphora tag` yet."""
    store = Store(amphora.store)
    store.tag(Reference.parse(name), store.resolve(Reference.parse(source)))
