"""Verifying images that are right, and images that are wrong in every way we know of."""

import json
from xml.etree import ElementTree

import pytest
from elves import amd64_program, elf

from amphora.core.platform import Platform
from amphora.emulation.probe import program

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


def test_a_good_image_is_good_on_every_platform(verify, seeded):
    reports, status = verify("busybox", "--cmd", "uname -m")
    assert status == 0
    assert {
        platform: (report["output"], report["architecture"], report["ran"], report["status"])
        for platform, report in reports.items()
    } == {
        "linux/amd64": ("x86_64\n", "amd64", "native", 0),
        "linux/arm64": ("aarch64\n", "arm64", "emulated", 0),
    }
    assert all(report["problem"] is None for report in reports.values())
    table = seeded.ok("verify", "--platform", "linux/arm64", "busybox", "--cmd", "uname -m")
    header, row = table.splitlines()
    assert header.split() == ["PLATFORM", "PROGRAM", "FOR", "RAN", "SECONDS", "RESULT", "OUTPUT"]
    assert row.split()[:4] == ["linux/arm64", "/bin/uname", "arm64", "emulated"]
    assert row.split()[5:] == ["ok", "aarch64"]


def test_a_program_for_another_cpu_is_reported_although_this_machine_runs_it(make, verify):
    program = {"program": amd64_program()}
    make("swapped", [(AMD64, program), (ARM64, program)], alone=True, entrypoint=("/program",))
    reports, status = verify("swapped")
    assert status == 50
    assert (reports["linux/amd64"]["problem"], reports["linux/amd64"]["status"]) == (None, 0)
    wrong = reports["linux/arm64"]
    assert wrong["problem"] == (
        "/program is a program for amd64: the variant is labelled linux/arm64"
    )
    assert (wrong["status"], wrong["architecture"]) == (None, "amd64")


def test_a_scratch_image_of_one_static_program_runs(make, verify):
    make("tiny", [(AMD64, {"program": amd64_program(status=3)})], alone=True, cmd=("/program",))
    reports, status = verify("tiny")
    assert status == 50
    assert reports["linux/amd64"]["status"] == 3
    assert reports["linux/amd64"]["problem"] == "it exited with status 3"


def test_scripts_are_traced_to_their_interpreter(make, verify):
    scripts = {"entry": "#!/bin/sh\necho script\n", "foreign": "#!/program\n"}
    variant = (ARM64, {**scripts, "program": amd64_program()})
    make("scripts", [variant], entrypoint=("/entry",))
    report = verify("scripts")[0]["linux/arm64"]
    assert (report["program"], report["output"]) == ("/bin/sh", "script\n")
    reports, status = verify("scripts", "--cmd", "/foreign")
    assert status == 50
    assert "/program is a program for amd64" in reports["linux/arm64"]["problem"]


def test_an_image_that_says_nothing_to_run(make, verify):
    make("silent", [(AMD64, {})])
    reports, status = verify("silent")
    assert status == 50
    assert "it has neither ENTRYPOINT nor CMD" in reports["linux/amd64"]["problem"]
    reports, status = verify("silent", "--cmd", "true")
    assert status == 0


def test_entrypoint_and_cmd_environment_user_and_directory_are_the_images(make, verify):
    make(
        "whole",
        [(AMD64, {})],
        entrypoint=("/bin/sh", "-c"),
        cmd=("echo $A; id -u; pwd",),
        env=("A=1",),
        user="mail",
        working_dir="/etc",
    )
    reports, _ = verify("whole")
    assert reports["linux/amd64"]["output"] == "1\n8\n/etc\n"


def test_a_variant_that_does_not_end_is_stopped(verify):
    reports, status = verify("busybox", "--cmd", "sleep 1000", "--timeout", "0.3")
    assert status == 50
    assert {report["problem"] for report in reports.values()} == {"it did not end within 0.3 s"}


def test_a_platform_that_is_not_in_the_image_is_an_error_before_anything_runs(seeded):
    done = seeded("verify", "busybox", "--platform", "linux/amd64,linux/s390x")
    assert done.returncode == 30
    assert "no variant for linux/s390x" in done.stderr
    assert done.stdout == ""


def test_honest_images_are_good(tools):
    done = tools.ok("verify", "tools", "--static", "--format", "json")
    reports = json.loads(done)
    assert [report["platform"] for report in reports] == ["linux/amd64", "linux/arm64"]
    assert [report["findings"] for report in reports] == [[], []]
    assert all(report["checked"]["programs"] > 100 for report in reports)
    header, row = tools.ok("verify", "tools:32", "--static", "--platform", "arm/v7").splitlines()
    assert header.split() == [
        *("PLATFORM", "PROGRAMS", "SCRIPTS", "ALLOWED", "ERRORS", "WARNINGS", "RESULT")
    ]
    assert row.split()[0] == "linux/arm/v7"
    assert row.split()[3:] == ["0", "0", "0", "ok"]


def test_a_file_of_another_cpu_fails_the_variant_that_runs(make, seeded, tmp_path):
    lie = {"opt/lie\x1b[31m": amd64_program()}
    make("lying", [(AMD64, lie), (ARM64, lie)])
    report = tmp_path / "report.xml"
    done = seeded("verify", "lying", "--cmd", "true", "--junit", report)
    assert done.returncode == 50
    assert "linux/arm64" in done.stderr
    assert "it is for amd64, not for linux/arm64" in done.stderr
    table, findings = done.stdout.split("\n\n")
    assert [line.split()[5] for line in table.splitlines()] == ["RESULT", "ok", "FAILED"]
    assert "/opt/lie\\x1b[31m" in findings
    assert "\x1b" not in done.stdout + done.stderr
    suites = ElementTree.parse(report).getroot().findall("testsuite")
    assert [suite.get("failures") for suite in suites] == ["0", "1"]
    assert [case.get("name") for case in suites[1] if case.find("failure") is not None] == [
        "architecture"
    ]
    allowed = tmp_path / "allowed"
    allowed.write_text("/opt/lie*  # on purpose\n")
    seeded.ok("verify", "lying", "--static", "--allow-file", allowed)


def test_the_oldest_cpu_may_be_another_than_the_label_s(make, verify):
    make("newer", [(AMD64, {"opt/new": elf(isa=3)})])
    reports, status = verify("newer", "--static")
    assert status == 50
    assert [item["kind"] for item in reports["linux/amd64"]["findings"]] == ["baseline"]
    reports, status = verify("newer", "--static", "--baseline", "armv8.2", "--baseline=x86-64-v3")
    assert (reports["linux/amd64"]["findings"], status) == ([], 0)


def test_what_the_output_must_have_in_it(verify, seeded):
    reports, status = verify("busybox", "--cmd", "uname -m", "--expect", "^x86_")
    assert status == 50
    assert reports["linux/amd64"]["problem"] is None
    assert reports["linux/arm64"]["problem"] == "its output has nothing in it that matches '^x86_'"
    done = seeded("verify", "busybox", "--expect", "(")
    assert done.returncode == 10
    assert "--expect cannot be '('" in done.stderr


def test_programs_of_this_machine_do_not_run_in_place_of_others(make, verify):
    """The entry point is honest; what it starts lies, and hides that it failed."""
    entry = "#!/bin/sh\n/opt/tool >/dev/null 2>&1\n/opt/again || true\necho done\n"
    tool = {"opt/tool": amd64_program(), "opt/again": amd64_program()}
    make(
        "planted", [(AMD64, {"run": entry, **tool}), (ARM64, {"run": entry, **tool})], cmd=("/run",)
    )
    reports, status = verify("planted")
    assert status == 50
    native, foreign = reports["linux/amd64"], reports["linux/arm64"]
    assert (native["problem"], native["output"]) == (None, "done\n")
    assert foreign["problem"] == "it started /opt/tool, which is for another CPU, and was not let"
    assert (foreign["status"], foreign["output"]) == (0, "done\n")


@pytest.mark.parametrize("place", [4, 6, 8, 14])
def test_a_liar_that_marks_itself_is_denied_as_well(make, verify, place):
    """Bytes of the header that the kernel does not look at are no way around."""
    program = bytearray(amd64_program())
    program[place] = 1
    make("marked", [(ARM64, {"opt/tool": bytes(program)})])
    reports, status = verify("marked", "--cmd", "sh -c '/opt/tool; true'")
    assert status == 50
    assert "it started /opt/tool" in reports["linux/arm64"]["problem"]


def test_the_other_word_size_and_third_cpus_are_denied_as_well(make, verify):
    """386 runs on amd64; riscv64 would through an emulator that another variant needs."""
    tools = {cpu: program(cpu) for cpu in ("386", "riscv64", "amd64")}
    make("mixed", [(AMD64, tools), (Platform.parse("linux/arm64"), tools)])
    for cpu, platform in (("386", AMD64), ("riscv64", AMD64), ("386", ARM64), ("riscv64", ARM64)):
        options = ("--platform", platform, "--cmd", f"sh -c '/{cpu}; true'")
        reports, status = verify("mixed", *options)
        assert status == 50
        assert f"it started /{cpu}" in reports[str(platform)]["problem"]
    reports, _ = verify("mixed", "--platform", AMD64, "--cmd", "sh -c '/amd64; true'")
    assert reports["linux/amd64"]["problem"] is None


def test_any_user_of_a_container_is_found_out(make, verify):
    make("user", [(ARM64, {"opt/tool": amd64_program()})], user="mail")
    reports, _ = verify("user", "--cmd", "sh -c '/opt/tool; true'")
    assert "it started /opt/tool" in reports["linux/arm64"]["problem"]


def test_a_report_that_cannot_be_written(seeded, tmp_path):
    done = seeded("verify", "busybox", "--static", "--junit", tmp_path / "nowhere/report.xml")
    assert done.returncode == 10
    assert "nowhere/report.xml cannot be written" in done.stderr
    assert "no such file or directory" in done.stderr
