"""Handoff as a user meets it: what a build says of it, what it shows, and what it keeps."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cpus import FOREIGN, NATIVE

import amphora as package

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@pytest.fixture
def build(tools, context, tmp_path):
    """Build a Dockerfile for the foreign platform; returns what was printed, and the report."""

    def call(dockerfile, *arguments, program=tools, **files):
        report = tmp_path / "report.json"
        directory = context(dockerfile, **files)
        options = ("--platform", FOREIGN, "--no-cache", "--progress", "plain")
        done = program(
            "build", *options, "-t", "built", "--handoff-report", report, *arguments, directory
        )
        assert done.returncode == 0, done.stderr
        return done.stderr, json.loads(report.read_text())

    return call


def test_a_step_tells_what_it_handed_off(build):
    command = "uname -m | sed s/x/y/"
    said, (step,) = build(f"FROM tools\nRUN {command}\n")
    assert "programs handed off; emulated: /usr/bin/uname 1" in said
    assert "(handoff)" in said
    assert step["platform"] == FOREIGN
    assert step["title"].endswith(f"RUN {command}")
    assert step["handed_off"]["/usr/bin/sed"] == 1
    assert step["emulated"] == {"/usr/bin/uname": 1}
    count = sum(step["handed_off"].values())
    assert step["share"] == round(count / (count + 1), 4)


#: A program that a rule has fetched, of a package that no archive has.
UNKNOWN = """FROM tools
RUN set -e; cd /var/lib/dpkg; mkdir -p info; cp /usr/bin/sed /usr/bin/python3.0; \
    echo /usr/bin/python3.0 > info/python3.0-minimal.list; \
    printf 'Package: %s\\nVersion: 1\\nStatus: install ok installed\\n\\n' python3.0-minimal \
        > status; \
    echo done | /usr/bin/python3.0 s/done/well/
"""


def test_a_counterpart_that_cannot_be_fetched_is_told_of_and_the_step_goes_on(build):
    said, (step,) = build(UNKNOWN)
    assert "Traceback" not in said
    assert "fetch native counterparts of python3.0-minimal" in said
    assert "it stays in the emulator" in said
    assert step["emulated"]["/usr/bin/python3.0"] == 1


def test_a_step_tells_what_took_long_in_qemu(build):
    """A loop that is emulated, beside one that is not; both are busy for a second or more."""
    said, (step,) = build(
        "FROM tools\n"
        "RUN seq -f %.9g 1 150000 > /dev/null; head -c 200M /dev/zero | sha256sum; uname -m\n"
    )
    seconds = step["emulated_seconds"]
    assert max(seconds, key=seconds.get) == "/usr/bin/seq"
    assert "/usr/bin/sha256sum" not in seconds
    assert 0.1 < sum(seconds.values()) < step["seconds"] * os.cpu_count()
    assert "emulated: /usr/bin/seq 1 ≈ " in said
    assert " s of CPU in QEMU" in said


def test_programs_see_nothing_of_it_but_a_directory_of_dev(build):
    """In the places that programs look at: the root, the environment, what they have open."""
    said, _ = build(
        """\
FROM tools
RUN ls -A / && env && ls -l /proc/self/fd && ls -A /dev
RUN ! ls -A / | grep -i -e amphora -e handoff
RUN ! env -u HOSTNAME | grep -i -e amphora -e handoff -e /dev/
RUN ! ls -l /proc/self/fd | grep -i -e amphora -e table
RUN [ -d /dev/.amphora ]
"""
    )
    assert said.count("(handoff)") == 5


def test_emulated_programs_have_nothing_of_it_in_their_memory(build):
    """od is in no rule, and prints what QEMU tells a program of its own memory."""
    said, (step,) = build("FROM tools\nRUN od -An -v -tx1 /proc/self/maps\n")
    assert step["emulated"] == {"/usr/bin/od": 1}
    lines = re.findall(r"^#\d+ [\d.]+ ((?: [0-9a-f]{2})+)$", said, re.MULTILINE)
    maps = bytes.fromhex("".join(lines)).decode()
    assert "/usr/bin/od" in maps
    assert not re.search("amphora|handoff|memfd|x86", maps)


def test_without_handoff_nothing_of_it_is_there(build):
    said, report = build("FROM tools\nRUN ls -A /dev && sed --version\n", "--handoff", "off")
    assert ".amphora" not in said
    assert "(emulated)" in said
    assert "handed off" not in said
    assert report == []


@pytest.mark.parametrize("flags", [(), ("--handoff=off",)])
def test_it_is_off_for_all_targets_of_a_bake_file(tools, tmp_path, flags):
    (tmp_path / "docker-bake.hcl").write_text(
        f"""
target "app" {{
  name = "app-${{n}}"
  matrix = {{ n = ["a", "b"] }}
  platforms = ["{FOREIGN}"]
  dockerfile-inline = "FROM tools\\nRUN seq 9 > /${{n}}"
}}
"""
    )
    done = tools("bake", "--progress=plain", *flags, "app", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    places = set(re.findall(r" DONE [0-9.]+s \((\w+)\)", done.stderr))
    assert places - {"worker"} == {"emulated" if flags else "handoff"}


def test_an_image_without_a_native_variant_is_emulated(build):
    said, report = build("FROM alone\nRUN ls -A /dev && uname -m\n")
    assert "aarch64" in said
    assert "(emulated)" in said
    assert ".amphora" not in said
    assert "WARN" not in said
    assert report == []


def test_a_missing_helper_is_said_once_with_what_would_help(build, tools, tmp_path):
    copied = tmp_path / "copied/amphora"
    ignore = shutil.ignore_patterns("*.bin", "__pycache__")
    shutil.copytree(Path(package.__file__).parent, copied, ignore=ignore)
    environment = {**tools.environment, "PYTHONPATH": str(copied.parent)}
    program = replace(tools, environment=environment)
    dockerfile = "FROM tools\nRUN uname -m\nRUN sed --version\n"
    said, report = build(dockerfile, program=program)
    warnings = [line for line in said.splitlines() if line.startswith("WARN")]
    assert len(warnings) == 1
    assert "no program is handed off" in warnings[0]
    assert "`make setup`" in warnings[0]
    assert said.count("(emulated)") == 2
    assert report == []
    said, _ = build(dockerfile, "--handoff", "off", program=program)
    assert "WARN" not in said


def test_the_native_side_can_be_neither_changed_nor_mounted_over(build):
    """By root of the container: every attempt fails, and programs go on as before."""
    attempts = (
        "touch /dev/.amphora/root-*/x",
        "rm /dev/.amphora/root-*/usr/bin/sed",
        "echo > /dev/.amphora/table",
        "rm /dev/.amphora/table",
        "mv /dev/.amphora/table /dev/.amphora/x",
        "mv /dev/.amphora/root-* /tmp/x",
        "rm /dev/.amphora/ask",
        "rm -r /dev/.amphora",
        "touch /dev/.amphora/copies/x",
        "chmod 777 /dev/.amphora/root-*",
    )
    script = "; ".join(f"{each} && exit 1" for each in attempts)
    said, (step,) = build(
        f"FROM tools\nRUN {script}; grep amphora /proc/self/mountinfo; echo x | sed s/x/done/\n"
    )
    assert "done" in said
    assert step["handed_off"]["/usr/bin/sed"] == 1
    mounts = re.findall(r" \d+:\d+ \S+ /dev/[.](amphora(?:/[a-z]+)?)\S* (\S+) ", said)
    assert sorted(name for name, _ in mounts) == ["amphora", "amphora/log", "amphora/root"]
    for name, options in mounts:
        words = options.split(",")
        assert {"nosuid", "nodev"} <= set(words)
        assert ("ro" in words) is (name != "amphora/log")


def test_a_program_that_a_step_installs_is_handed_off_in_that_step(build, tools, context):
    """It is the packed one, though another file than before; under another name it is not."""
    packages = context(
        """\
FROM tools
WORKDIR /var/lib/dpkg/info
RUN printf 'Package: sed\\nStatus: install ok installed\\nVersion: 4.9-2\\n\\n' > ../status && \\
    cd / && md5sum usr/bin/sed > var/lib/dpkg/info/sed.md5sums && \\
    echo /usr/bin/sed > var/lib/dpkg/info/sed.list
"""
    )
    platforms = f"{NATIVE},{FOREIGN}"
    assert tools("build", "--platform", platforms, "-t", "packaged", packages).returncode == 0
    said, (step,) = build(
        """\
FROM packaged
RUN cp -p /usr/bin/sed /usr/bin/kept && rm /usr/bin/sed && echo x | kept s/x/copied/ \\
    && mv /usr/bin/kept /usr/bin/sed && echo x | sed s/x/installed/
"""
    )
    assert "copied" in said
    assert "installed" in said
    assert step["emulated"]["/usr/bin/kept"] == 1
    assert step["handed_off"]["/usr/bin/sed"] == 1


def test_a_program_that_another_was_put_in_place_of_stays_in_qemu(build):
    """By a step before, or within the very step."""
    said, steps = build(
        """\
FROM tools
RUN cp /usr/bin/uname /usr/bin/sed
RUN sed -m
RUN cp /usr/bin/uname /usr/bin/grep && grep -m
"""
    )
    assert said.count("aarch64") == 2
    assert "x86_64" not in said
    assert "/usr/bin/sed" in steps[1]["emulated"]
    assert "/usr/bin/grep" in steps[2]["emulated"]


def test_a_flooded_log_is_read_to_a_point_and_cannot_paint(build):
    """Any program may write into it; sparse gigabytes cost it nothing, and us neither."""
    said, (step,) = build(
        r"""
FROM tools
RUN printf 'N\033[31mred\nNno\0end' > /dev/.amphora/log; \
    dash -c 'i=0; while [ $i -lt 12000 ]; do echo Q/$i; i=$((i+1)); done' >> /dev/.amphora/log; \
    truncate -s 64G /dev/.amphora/log
"""
    )
    assert "\033" not in said
    assert step["handed_off"]["?[31mred"] == 1
    names = len(step["handed_off"]) + len(step["emulated"])
    assert names <= 10_002
    assert step["emulated"]["others"] > 1_000


def test_explain_lists_every_program_and_why(tools):
    text = tools.ok("explain-handoff", "tools")
    assert "linux/arm64: " in text
    rows = {line.split()[0]: line.split(None, 1)[1] for line in text.splitlines() if "/" in line}
    assert rows["/usr/bin/sed"] == "native"
    assert rows["/usr/bin/uname"].split() == ["emulated", "no", "rule"]
    assert "--general-numeric-sort" in rows["/usr/bin/sort"]
    listed = json.loads(tools.ok("explain-handoff", "tools", "--format", "json"))
    by_name = {row["program"]: row for row in listed}
    assert by_name["/usr/bin/sed"] == {
        "platform": FOREIGN,
        "program": "/usr/bin/sed",
        "handed_off": True,
        "reason": None,
        "detail": "",
        "conditions": "",
    }
    assert by_name["/usr/bin/uname"]["reason"] == "no rule"
    assert len(listed) == len(by_name), "each program once"


def test_explain_says_what_is_missing(tools):
    alone = tools("explain-handoff", "alone")
    assert alone.returncode == 30
    assert f"it has no variant for {NATIVE}" in alone.stderr
    assert tools("explain-handoff", "tools", "--platform", "s390x").returncode == 30
    assert tools("explain-handoff", "nowhere").returncode == 30
