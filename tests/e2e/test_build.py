"""Building as a user does, with the installed program, real crun and real QEMU."""

import json

import pytest
from cpus import FOREIGN, MACHINES, NATIVE

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "linux/amd64,linux/arm64"


def write_context(directory, dockerfile, **files):
    directory.mkdir(exist_ok=True)
    (directory / "Dockerfile").write_text(dockerfile)
    for name, content in files.items():
        (directory / name).write_text(content)
    return directory


def test_every_platform_runs_its_own_programs(seeded, tmp_path):
    context = write_context(
        tmp_path / "context",
        "FROM busybox\nRUN uname -m > /machine\nCMD cat /machine\n",
    )
    built = json.loads(
        seeded.ok("build", "--platform", BOTH, "-t", "machines", "--format", "json", context)
    )
    ran = {step["platform"]: step["ran"] for step in built["steps"] if "RUN" in step["title"]}
    assert ran == {NATIVE: "native", FOREIGN: "emulated"}
    reports = json.loads(seeded.ok("verify", "--format", "json", "machines"))
    assert {report["platform"]: report["output"].strip() for report in reports} == MACHINES


def test_the_second_build_executes_nothing_and_gives_the_same_digest(seeded, tmp_path):
    context = write_context(
        tmp_path / "context",
        "FROM busybox\nCOPY file /data/\nRUN cat /data/file > /copy\nENV A=b\n",
        file="content",
    )
    arguments = ("build", "--platform", BOTH, "--format", "json", context)
    first, second = (json.loads(seeded.ok(*arguments)) for _ in range(2))
    assert {step["ran"] for step in second["steps"]} == {"cached"}
    assert second["digest"] == first["digest"]
