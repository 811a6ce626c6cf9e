"""`amphora history`: what is remembered of builds, however they ended."""

import json
import os
import signal
import subprocess

import pytest
from waiting import wait_until

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@pytest.fixture
def history(build):
    def call(*arguments):
        return build.amphora.ok("history", *arguments)

    return call


@pytest.fixture
def listed(history):
    return lambda: json.loads(history("ls", "--format", "json"))


def test_a_build_is_remembered_with_its_steps_and_its_log(build, history, listed):
    build.write("FROM busybox AS one\nARG TOKEN\nRUN echo said\nFROM one\nLABEL a=b\n")
    built = build("--target", "one", "-t", "named:1", "--build-arg", "TOKEN=hidden")
    (record,) = listed()
    assert record["digest"] == built.digest
    assert record["status"] == "completed"
    assert record["tags"] == ["docker.io/library/named:1"]
    assert record["build_args"] == ["TOKEN"]
    assert [(step["title"], step["ran"]) for step in record["steps"]][-1] == (
        "[one 2/2] RUN echo said",
        "native",
    )
    shown = history("inspect", record["id"][:-1])
    assert f"Digest:       {built.digest}" in shown
    assert "context (one)" in history("ls")
    assert " said\n" in history("logs")
    everything = b"".join(path.read_bytes() for path in build.amphora.store.glob("history/*"))
    assert b"hidden" not in everything


def test_a_build_may_be_given_its_name(build, history):
    build.write("FROM busybox\n")
    build("--build-arg", "BUILDKIT_BUILD_NAME=nightly")
    assert "nightly" in history("ls")


def test_the_newest_is_first_and_has_a_short_name(build, history, listed):
    for number in (1, 2):
        build.write(f"FROM busybox\nLABEL number={number}\n")
        build("-t", f"image:{number}")
    newest, older = listed()
    assert json.loads(history("inspect", "^0", "--format", "json")) == newest
    assert json.loads(history("inspect", "^1", "--format", "json")) == older
    assert newest["tags"] == ["docker.io/library/image:2"]


def test_a_failure_is_remembered_with_its_reason(build, history, listed):
    build.write("FROM busybox\nRUN echo before; exit 3\n")
    assert build.run().returncode != 0
    (record,) = listed()
    assert record["status"] == "failed"
    assert "exited with status 3" in record["error"]
    assert record["digest"] == ""
    assert " before\n" in history("logs")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, "canceled"), (signal.SIGKILL, "killed")]
)
def test_a_build_that_was_stopped(build, listed, number, status):
    build.write("FROM busybox\nRUN sleep 60\n")
    program = subprocess.Popen(
        build.amphora.command("build", str(build.directory)),
        env=build.amphora.environ(),
        stderr=subprocess.PIPE,
        process_group=0,
    )
    while b"RUN sleep" not in program.stderr.readline():
        pass
    assert listed()[0]["status"] == "running"
    os.kill(program.pid, number)
    program.communicate()
    wait_until(lambda: listed()[0]["status"] != "running")
    assert listed()[0]["status"] == status


def test_what_is_forgotten_is_gone(build, history, listed):
    build.write("FROM busybox\nLABEL a=b\n")
    for _ in range(3):
        build()
    history("rm", "^0")
    assert len(listed()) == 2
    history("rm", "--all")
    assert listed() == []
    assert list(build.amphora.store.glob("history/*")) == []


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["inspect"], 30, "no build is called ^0"),
        (["logs", "nothing"], 30, "amphora history ls"),
        (["rm"], 10, "neither builds nor --all"),
    ],
)
def test_what_is_not_there_is_said(build, arguments, status, told):
    done = build.amphora("history", *arguments)
    assert done.returncode == status
    assert told in done.stderr


def test_a_damaged_record_is_passed_over(build, listed):
    build.write("FROM busybox\nLABEL a=b\n")
    build()
    (path,) = build.amphora.store.glob("history/*.json")
    path.write_bytes(path.read_bytes()[:40])
    assert listed() == []
