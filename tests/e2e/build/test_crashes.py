"""A RUN that dies in the emulator says so, and is done again if that was asked for."""

import json

import pytest

from amphora.core import errors

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

ARM64 = ("--platform", "linux/arm64")

#: Crashes the first time that it runs with a cache, in a child of the shell.
ONCE = """\
FROM busybox
RUN --mount=type=cache,target=/c echo begun >> /it; \
    if mkdir /c/once; then sh -c 'kill -s SEGV $$'; exit 139; fi; echo made >> /it
"""


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ('["sh", "-c", "kill -s SEGV $$"]', "status 139; /bin/sh died of SIGSEGV in qemu-"),
        ("sh -c 'kill -s ABRT $$' || exit 3", "status 3; a program of it died of SIGABRT in qemu-"),
        ("exit 132", "status 132; a program of it died of SIGILL in qemu-"),
    ],
)
def test_a_crash_is_told_from_other_failures(seeded, context, run, said):
    done = seeded("build", *ARM64, "--handoff=off", context(f"FROM busybox\nRUN {run}\n"))
    assert done.returncode == errors.EmulatorCrashError.exit_code, done.stderr
    assert said in done.stderr
    assert "--retry-emulated" in done.stderr.splitlines()[-1]
    assert "amphora emulator verify --deep" in done.stderr.splitlines()[-1]


def test_other_failures_are_no_crashes(seeded, context):
    done = seeded("build", *ARM64, "--retry-emulated", context("FROM busybox\nRUN exit 137\n"))
    assert done.returncode == errors.StepFailedError.exit_code
    assert "once more" not in done.stderr
    native = seeded("build", context("FROM busybox\nRUN exit 139\n"))
    assert native.returncode == errors.StepFailedError.exit_code
    assert "died of SIGSEGV\n" in native.stderr


def test_it_is_done_again_from_the_beginning_and_without_handoff(seeded, context):
    directory = context(ONCE)
    build = ("build", *ARM64, "-t", "it", "--format=json", "--retry-emulated", directory)
    done = seeded(*build)
    assert done.returncode == 0, done.stderr
    assert "once more, without handoff" in done.stderr
    steps = json.loads(done.stdout)["steps"]
    assert [step["ran"] for step in steps if "RUN" in step["title"]] == ["emulated"]
    assert seeded.ok("run", *ARM64, "it", "cat", "/it") == "begun\nmade\n"


def test_in_vain_so_many_times(seeded, context):
    text = "FROM busybox\nRUN echo tri''ed; sh -c 'kill -s SEGV $$'\n"
    done = seeded("build", *ARM64, "--retry-emulated=2", "--progress=plain", context(text))
    assert done.returncode == errors.EmulatorCrashError.exit_code
    assert done.stderr.count("tried\n") == 3
    assert "it was tried 3 times" in done.stderr
