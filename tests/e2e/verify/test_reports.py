"""What a policy makes of an image, and reports that are attached to it."""

import json
import subprocess
import urllib.request
from urllib.parse import quote

import pytest
from elves import amd64_program

from amphora.core.platform import Platform

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

AMD64, ARM64 = "linux/amd64", "linux/arm64"
REPORT = "application/vnd.amphora.verify.report.v1+json"


def variants(content=None, platforms=(AMD64, ARM64)):
    """The same files for each platform."""
    return [(Platform.parse(platform), content or {}) for platform in platforms]


def test_a_policy_decides_what_passes(make, verify, tmp_path):
    make(
        "gated",
        variants({"opt/lie": amd64_program()}),
        cmd=("true",),
        created="2001-01-01T00:00:00Z",
    )
    policy = tmp_path / "policy.yaml"

    def judged(text, *options):
        policy.write_text(f"schemaVersion: 1\n{text}")
        reports, status = verify("gated", "--policy", policy, *options)
        kinds = [
            (platform, finding["kind"], finding["level"])
            for platform, report in reports.items()
            for finding in report["findings"]
        ]
        return status, kinds

    lie = (ARM64, "architecture", "error")
    assert judged("") == (50, [lie])
    assert judged("findings: {architecture: warning}", "--static") == (
        *(0, [(ARM64, "architecture", "warning")]),
    )
    assert judged("allow: [/opt/lie]") == (0, [])
    assert judged("allow: [/opt/lie]\nrequired: [run]\nemulated: [linux/arm64]") == (0, [])
    policy_error = ("policy", "error")
    assert judged("allow: [/opt/lie]\nrequired: [run]", "--static") == (
        *(50, [(AMD64, *policy_error), (ARM64, *policy_error)]),
    )
    assert judged("allow: [/opt/lie]\nemulated: false") == (50, [(ARM64, *policy_error)])
    assert judged("allow: [/opt/lie]\nmaximumAge: 30d", "--platform", AMD64) == (
        *(50, [(AMD64, *policy_error)]),
    )
    assert judged("allow: [/opt/lie]\nplatforms: [linux/s390x]", "--static") == (
        *(50, [("linux/s390x", *policy_error)]),
    )


def get(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def test_a_report_goes_with_the_image(make, seeded, registry):
    name = f"{registry}/me/app:1"
    make(name, variants({"opt/lie": amd64_program()}), cmd=("echo", "secret words"))
    done = seeded("verify", name, "--attach")
    assert done.returncode == 30
    assert "nothing can be attached" in done.stderr
    assert f"amphora push {name}" in done.stderr
    seeded.ok("push", name)
    assert seeded("verify", name, "--attach").returncode == 50
    seeded.ok("verify", name, "--attach", "--static", "--allow", "/opt/*")
    inspected = json.loads(seeded.ok("image", "inspect", name, "--format", "json"))
    digest = inspected["digest"]

    listed = get(f"http://{registry}/v2/me/app/referrers/{digest}?artifactType={quote(REPORT)}")
    found = {each["annotations"]["dev.amphora.verify.result"]: each for each in listed["manifests"]}
    assert found.keys() == {"passed", "failed"}
    assert {each["artifactType"] for each in found.values()} == {REPORT}
    # The first is in the store too, where it came before the registry was asked.
    assert {each["digest"] for each in found.values()} < {
        each["digest"] for each in inspected["attached"]
    }
    raw = subprocess.run(
        [
            *("skopeo", "inspect", "--raw", "--tls-verify=false"),
            f"docker://{registry}/me/app@{found['failed']['digest']}",
        ],
        capture_output=True,
        check=True,
    ).stdout
    manifest = json.loads(raw)
    assert manifest["subject"]["digest"] == digest
    assert manifest["artifactType"] == manifest["layers"][0]["mediaType"] == REPORT
    report = get(f"http://{registry}/v2/me/app/blobs/{manifest['layers'][0]['digest']}")
    assert (report["image"], report["result"]) == (digest, "failed")
    assert [each["platform"] for each in report["variants"]] == [AMD64, ARM64]
    assert report["variants"][1]["findings"][0]["path"] == "/opt/lie"
    assert "secret words" not in json.dumps(report)


def test_the_store_keeps_a_report_as_long_as_its_image(make, seeded, registry):
    name = f"{registry}/app:1"
    make(name, variants(), cmd=("true",))
    seeded.ok("push", name)
    done = seeded("verify", name, "--attach", "--static")
    assert done.returncode == 0, done.stderr
    artifact = done.stderr.split()[-1]
    images = json.loads(seeded.ok("image", "ls", "--format", "json"))
    assert {image["name"] for image in images} == {name, "docker.io/library/busybox:latest"}
    last = seeded.ok("image", "inspect", name).splitlines()[-1]
    assert last.split() == [REPORT, artifact]
    seeded.ok("store", "gc")
    seeded.ok("store", "check")
    assert artifact in seeded.ok("image", "inspect", name)
    seeded.ok("image", "rm", name)
    kept = seeded.store / "blobs/sha256" / artifact.removeprefix("sha256:")
    assert not kept.exists()
