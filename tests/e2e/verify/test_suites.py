"""Tests of commands, files, metadata and ports, in files of ours and in the image."""

import json
from xml.etree import ElementTree

import pytest
from elves import amd64_program

from amphora.core.platform import Platform

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def variants(content=None, platforms=(AMD64, ARM64)):
    """The same files for each platform."""
    return [(Platform.parse(platform), content or {}) for platform in platforms]


@pytest.fixture
def tests(tmp_path):
    """A file of tests."""

    def write(text, name="some.yaml"):
        path = tmp_path / name
        path.write_text(f"schemaVersion: 2.0.0\n{text}")
        return path

    return write


def results(report):
    return {test["name"]: (test["result"], test["problem"]) for test in report["tests"]}


COMMANDS = r"""
globalEnvVars: [{key: PLACE, value: /opt}, {key: PATH, value: "$PLACE:$PATH"}]
commandTests:
- name: good
  command: sh
  args: [-c, "tool; echo $PLACE $A $UNKNOWN; echo oops >&2; exit 3"]
  envVars: [{key: A, value: "a:$PLACE"}]
  setup: [[sh, -c, "printf '#!/bin/sh\necho tool' > /opt/tool"], [chmod, "755", $PLACE/tool]]
  expectedOutput: ["^tool\n", "/opt a:/opt\n$"]
  excludedOutput: ["oops"]
  expectedError: ["^oops$"]
  excludedError: ["tool"]
  exitCode: 3
- {name: files are as they were, command: ls, args: [/opt], excludedOutput: [tool]}
- {name: output, command: echo, args: [one], expectedOutput: [two], excludedOutput: [one]}
- {name: status, command: sh, args: [-c, "echo broken >&2; exit 2"]}
- {name: setup, command: "true", setup: [[sh, -c, "echo no >&2; exit 1"]]}
- {name: missing, command: /no/such}
- {name: lie, command: sh, args: [-c, "/opt/lie; true"]}
"""


def test_commands_are_held_to_what_they_must_print(make, verify, tests):
    make(
        "tested", variants({"opt/keep": "", "opt/lie": amd64_program()}), entrypoint=("/no/entry",)
    )
    options = ("--tests", tests(COMMANDS), "--allow", "/opt/*")
    reports, status = verify("tested", *options)
    assert status == 50
    for platform, report in reports.items():
        found = results(report)
        assert found.pop("lie") == (
            ("passed", None)
            if platform == AMD64
            else ("failed", "it started /opt/lie, which is for another CPU, and was not let")
        )
        assert found == {
            "good": ("passed", None),
            "files are as they were": ("passed", None),
            "output": (
                "failed",
                "its output has nothing in it that matches 'two'; "
                "its output has in it what matches 'one'",
            ),
            "status": ("failed", "it exited with status 2, not 0: broken"),
            "setup": ("failed", "sh, to set it up, exited with status 1: no"),
            "missing": ("failed", "/no/such cannot be run: the image has no such file"),
        }
        # The image's own command, which is not there, was not asked for.
        assert "problem" not in report


OF_FILES = """
fileExistenceTests:
- {name: there, path: /opt/x, permissions: -rwxr-xr-x, uid: 0, gid: 0, isExecutableBy: any}
- {name: gone, path: /opt/x, shouldExist: false}
fileContentTests:
- {name: users, path: /etc/passwd, expectedContents: [mail], excludedContents: [x]}
metadataTest: {cmd: ["true"], user: mail}
"""


def test_files_and_metadata_need_nothing_to_run(make, verify, tests, seeded, tmp_path):
    make("filed", variants({"opt/x": "x"}), cmd=("true",))
    suite = tests(OF_FILES + "commandTests: [{name: runs, command: 'true'}]")
    junit = tmp_path / "report.xml"
    reports, status = verify("filed", "--static", "--tests", suite, "--junit", junit)
    assert status == 50
    expected = {
        "there": ("passed", None),
        "gone": ("failed", "/opt/x is there"),
        "users": ("failed", "/etc/passwd has in it what matches 'x'"),
        "metadata": ("failed", "USER is '', not 'mail'"),
        "runs": ("skipped", None),
    }
    assert [results(report) for report in reports.values()] == [expected, expected]
    assert {report["ran"] for report in reports.values()} == {""}
    suites = ElementTree.parse(junit).getroot().findall("testsuite")
    counts = [(each.get("failures"), each.get("skipped")) for each in suites]
    assert counts == [("3", "1"), ("3", "1")]
    done = seeded("verify", "filed", "--static", "--tests", suite)
    table = done.stdout.split("\n\n")[1].splitlines()
    assert table[0].split() == ["RESULT", "PLATFORM", "TEST", "SECONDS", "WHY"]
    assert len(table) == 11
    assert "filed:latest does not pass its tests for linux/amd64" in done.stderr
    assert "the test 'gone' of" in done.stderr


def test_without_anything_that_runs_the_image_runs_itself(make, verify, tests):
    make("both", variants(platforms=[AMD64]), cmd=("false",))
    suite = tests("fileExistenceTests: [{name: it, path: /etc}]")
    reports, status = verify("both", "--tests", suite)
    assert (status, reports[AMD64]["problem"]) == (50, "it exited with status 1")
    assert results(reports[AMD64]) == {"it": ("passed", None)}


def test_a_command_that_does_not_end_is_stopped(verify, tests, remains):
    suite = tests('commandTests: [{name: endless, command: sleep, args: ["1000"]}]')
    reports, status = verify("busybox", "--tests", suite, "--timeout", "0.5")
    assert status == 50
    expected = {"endless": ("failed", "it did not end within 0.5 s")}
    assert [results(report) for report in reports.values()] == [expected, expected]
    remains.wait_for_processes()
    assert (remains.mounts(), remains.files()) == ([], [])


def test_ports_that_are_listened_on(make, verify, tests, remains):
    make("served", variants(), cmd=("httpd", "-f", "-p", "8080"))
    suite = tests("""portTests:
- {name: its own, ports: [8080]}
- name: another
  ports: [81/tcp]
  command: httpd
  args: [-f, -p, $PORT]
  envVars: [{key: PORT, value: 81}]
""")
    reports, status = verify("served", "--tests", suite)
    assert status == 0
    expected = {"its own": ("passed", None), "another": ("passed", None)}
    assert [results(report) for report in reports.values()] == [expected, expected]
    remains.wait_for_processes()
    assert (remains.mounts(), remains.files()) == ([], [])


def test_ports_that_nobody_outside_can_use(make, verify, tests):
    make("served", variants(platforms=[AMD64]), cmd=("httpd", "-f", "-p", "127.0.0.1:8080"))
    suite = tests("""portTests:
- {name: alone, ports: [8080, 53/udp]}
- {name: gone, ports: [80], command: sh, args: [-c, "echo gone"]}
""")
    reports, status = verify("served", "--tests", suite, "--timeout", "8")
    assert status == 50
    assert results(reports[AMD64]) == {
        "alone": (
            "failed",
            "port 8080/tcp is listened on for the container itself alone (127.0.0.1); "
            "nobody listens on port 53/udp",
        ),
        "gone": ("failed", "it ended with status 0: gone; nobody listens on port 80/tcp"),
    }


def test_tests_are_found_in_the_image_and_beside_us(make, seeded, tests, tmp_path):
    own = "schemaVersion: 2.0.0\ncommandTests: [{name: own, command: 'true'}]\n"
    make("bearer", variants({"amphora-test.yaml": own}, [AMD64]))
    here = tmp_path / "here"
    here.mkdir()
    tests("commandTests: [{name: beside, command: 'true'}]", "here/amphora-test.yaml")
    done = seeded("verify", "bearer", "--format", "json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "tests: amphora-test.yaml\n"
    (report,) = json.loads(done.stdout)
    assert [(each["name"], each["source"]) for each in report["tests"]] == [
        ("beside", "amphora-test.yaml"),
        ("own", "the image's /amphora-test.yaml"),
    ]


def test_what_an_image_brings_does_not_spare_it_its_own_run(make, verify, seeded):
    own = "schemaVersion: 2.0.0\ncommandTests: [{name: own, command: 'true'}]\n"
    make("sly", variants({"amphora-test.yaml": own}, [AMD64]), cmd=("false",))
    reports, status = verify("sly")
    assert (status, reports[AMD64]["problem"]) == (50, "it exited with status 1")
    assert results(reports[AMD64]) == {"own": ("passed", None)}
    assert "sly:latest is not what its label says for linux/amd64" in seeded("verify", "sly").stderr


def test_a_mistake_in_a_file_is_told_before_anything_runs(seeded, tests):
    done = seeded("verify", "busybox", "--tests", tests("commandTests:\n- cmd: x"))
    assert done.returncode == 10
    assert "line 3 of" in done.stderr
    assert "'cmd' is not known here" in done.stderr
