"""Variants that serve: started, and held to their HEALTHCHECK."""

import signal
import subprocess

import pytest
from elves import amd64_program
from waiting import wait_until

from amphora.core.platform import Platform
from amphora.oci.config import Healthcheck

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

AMD64, ARM64 = "linux/amd64", "linux/arm64"
MILLISECOND = 10**6


def variants(content=None, platforms=(AMD64, ARM64)):
    """The same files for each platform."""
    return [(Platform.parse(platform), content or {}) for platform in platforms]


def health(*test, **times):
    times = {"interval": 100, "timeout": 20_000, **times}
    return Healthcheck(
        test,
        **{
            name: value if name == "retries" else value * MILLISECOND
            for name, value in times.items()
        },
    )


def sh(script):
    return ("sh", "-c", script)


def problems(reports):
    return {report["problem"] for report in reports.values()}


def test_what_becomes_healthy_is_good_on_every_platform(make, verify, remains):
    check = health("CMD-SHELL", 'test "$A:$(id -u):$PWD" = 1:8:/etc && test -e /tmp/ready')
    make(
        "healthy",
        variants(),
        cmd=sh("echo begun; sleep 0.3; touch /tmp/ready; exec sleep 1000"),
        env=("A=1",),
        user="mail",
        working_dir="/etc",
        healthcheck=check,
    )
    reports, status = verify("healthy", "--health", "--expect", "begun")
    assert (status, problems(reports)) == (0, {None})
    assert {each["health"] for each in reports.values()} == {"healthy"}
    assert {each["ran"] for each in reports.values()} == {"native", "emulated"}
    assert {each["status"] for each in reports.values()} == {None}
    remains.wait_for_processes()
    assert (remains.mounts(), remains.files()) == ([], [])


@pytest.mark.parametrize(
    ("command", "check", "state", "problem", "timeout"),
    [
        (
            sh("exec sleep 1000"),
            health("CMD", *sh("echo not yet; exit 1"), retries=2),
            "unhealthy",
            "it is unhealthy: its health check exited with 1, 2 times in a row: not yet",
            60,
        ),
        (
            sh("exec sleep 1000"),
            health("CMD-SHELL", "sleep 1000 & sleep 1001", timeout=300, retries=1),
            "unhealthy",
            "it is unhealthy: its health check took longer than 0.3 s, 1 times in a row",
            60,
        ),
        (
            sh("sleep 0.2; exit 3"),
            health("CMD", "false", retries=1000),
            "starting",
            "it ended, with status 3, before it was healthy",
            60,
        ),
        (
            sh("exec sleep 1000"),
            health("CMD", "false", start_period=60_000, start_interval=100, retries=1),
            "starting",
            "it did not become healthy within 2 s",
            2,
        ),
    ],
)
def test_what_does_not_become_healthy_fails(
    make, verify, remains, command, check, state, problem, timeout
):
    make("ill", variants(platforms=[AMD64]), cmd=command, healthcheck=check)
    reports, status = verify("ill", "--health", "--timeout", timeout)
    assert status == 50
    assert (reports[AMD64]["health"], reports[AMD64]["problem"]) == (state, problem)
    remains.wait_for_processes()
    assert (remains.mounts(), remains.files()) == ([], [])


def test_a_health_check_that_cannot_be_run_says_why(make, verify):
    check = health("CMD", "/no/such/program", retries=1)
    make("odd", variants(platforms=[AMD64]), cmd=sh("exec sleep 1000"), healthcheck=check)
    reports, status = verify("odd", "--health")
    assert status == 50
    assert "/no/such/program" in reports[AMD64]["problem"]


def test_an_image_without_a_health_check(seeded, verify):
    reports, status = verify("busybox", "--health")
    assert status == 50
    assert problems(reports) == {"the image says nothing about its health: it has no HEALTHCHECK"}
    assert "no HEALTHCHECK" in seeded("verify", "busybox", "--health").stderr


def test_a_health_check_of_another_cpu_is_denied(make, verify):
    check = health("CMD-SHELL", "/opt/check 2>/dev/null; true")
    program = {"opt/check": amd64_program()}
    make("planted", variants(program), cmd=sh("exec sleep 1000"), healthcheck=check)
    reports, status = verify("planted", "--health", "--allow", "/opt/*")
    assert status == 50
    assert reports[AMD64]["problem"] is None
    assert reports[ARM64]["problem"] == (
        "it started /opt/check, which is for another CPU, and was not let"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_what_is_stopped(make, seeded, remains, number):
    check = health("CMD-SHELL", "exec sleep 86398", timeout=100_000)
    make("slow", variants(), cmd=sh("exec sleep 86399"), healthcheck=check)
    command = seeded.command("verify", "slow", "--health", "--timeout", "100")
    running = subprocess.Popen(command, env=seeded.environ(), stderr=subprocess.PIPE)
    wait_until(lambda: remains.processes("86398") or running.poll() is not None)
    assert running.poll() is None
    running.send_signal(number)
    running.communicate()
    for word in (None, "86398", "86399"):
        remains.wait_for_processes(word)
    assert remains.mounts() == []
    seeded.ok("image", "ls")
    if number == signal.SIGINT:
        assert remains.files() == []
