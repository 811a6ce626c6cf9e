"""The plan of a build: where each step would run, why, how long, and what would be better."""

import json
import subprocess

import pytest
from cpus import FOREIGN, NATIVE

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
DOCKERFILE = """\
FROM busybox AS build
COPY file /file
RUN cp /file /made
FROM --platform=$BUILDPLATFORM busybox AS cross
RUN echo crossed > /crossed
FROM scratch
COPY --from=build /made /
COPY --from=cross /crossed /
"""


@pytest.fixture
def plan(build):
    """The plan of the Dockerfile that the build has, as JSON."""

    def call(*arguments):
        options = ("--call", "plan,format=json", *arguments)
        return json.loads(build.amphora.ok("build", *options, str(build.directory)))

    return call


def places(planned):
    """Where the steps would be executed, by platform and instruction."""
    return {
        (step["platform"], step["title"].partition("] ")[2]): step["where"]
        for step in planned["steps"]
    }


def test_a_plan_tells_where_every_step_would_run_and_takes_none(build, plan):
    build.write(DOCKERFILE, file="content")
    found = plan(BOTH, "--handoff=off")
    assert places(found) == {
        (NATIVE, "COPY file /file"): "worker",
        (NATIVE, "RUN cp /file /made"): "native",
        (NATIVE, "RUN echo crossed > /crossed"): "cross",
        (NATIVE, "COPY --from=build /made /"): "worker",
        (NATIVE, "COPY --from=cross /crossed /"): "worker",
        (FOREIGN, "COPY file /file"): "worker",
        (FOREIGN, "RUN cp /file /made"): "emulated",
        (FOREIGN, "COPY --from=build /made /"): "worker",
        (FOREIGN, "COPY --from=cross /crossed /"): "worker",
    }
    why = {step["where"]: step["why"] for step in found["steps"]}
    assert "--handoff=off" in why["emulated"]
    assert {step["expected_seconds"] for step in found["steps"]} == {None}
    assert [step["line"] for step in found["steps"][:5]] == [2, 3, 5, 7, 8]
    assert places(plan(BOTH)) == places(found) | {(FOREIGN, "RUN cp /file /made"): "handoff"}


def test_what_is_remembered_is_cached_up_to_the_first_change(build, plan):
    build.write(DOCKERFILE, file="content")
    build(BOTH)
    assert set(places(plan(BOTH)).values()) == {"cached"}
    build.write(DOCKERFILE, file="changed")
    found = plan(f"--platform={NATIVE}")
    assert list(places(found).values()) == ["worker", "native", "cached", "worker", "worker"]
    expected = {step["where"]: step["expected_seconds"] for step in found["steps"]}
    assert expected["cached"] == 0
    assert expected["native"] > 0


def test_the_stage_that_would_gain_is_named_with_its_line(build, plan):
    build.write(DOCKERFILE, file="content")
    advice = plan(BOTH, "--handoff=off")["advice"]
    assert [(each["stage"], each["line"], each["platform"]) for each in advice] == [
        ("build", 1, FOREIGN)
    ]
    shown = build.amphora.ok("build", "--call", "plan", BOTH, "--handoff=off", build.directory)
    assert "Dockerfile:1: stage build would gain from FROM --platform=$BUILDPLATFORM" in shown


def test_a_stage_that_becomes_the_image_is_not_advised_about(build, plan):
    build.write("FROM busybox AS base\nRUN echo 1 > /1\nFROM base\nRUN echo 2 > /2\n")
    assert plan(BOTH, "--handoff=off")["advice"] == []


def test_predicted_stands_beside_actual(build):
    build.write("FROM busybox\nRUN sleep 0.3; date > /when\n")
    build()
    again = build("--no-cache", "--plan")
    (step,) = again.said["plan"]["steps"]
    assert step["where"] == "native"
    assert step["expected_seconds"] > 0.3
    lines = again.errors.splitlines()
    (before,) = [line for line in lines if "this machine's own CPU" in line]
    (after,) = [line for line in lines[lines.index(before) :] if line.count("native") == 2]
    assert "[stage-0 1/1] RUN sleep 0.3; date > /when" in after


def test_a_context_on_standard_input_is_read_once(build):
    done = subprocess.run(
        build.amphora.command("build", "--plan", "-"),
        input=b"FROM busybox\nRUN echo x > /x\n",
        env=build.amphora.environ(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"PREDICTED" in done.stderr
