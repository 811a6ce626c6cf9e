"""Outcomes as documents: JSON, JUnit's XML, and the report that is attached."""

import json
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from amphora.core.platform import Platform
from amphora.oci.assembly import put_index
from amphora.oci.blobs import BlobStore
from amphora.oci.model import Manifest
from amphora.verify.findings import Finding
from amphora.verify.junit import junit_xml
from amphora.verify.outcome import Outcome
from amphora.verify.report import REPORT, put_report
from amphora.verify.run import VariantReport
from amphora.verify.static import StaticReport
from amphora.verify.suite import Checked

ARM64 = Platform.parse("linux/arm64")


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path)


@pytest.fixture
def image(blobs):
    return put_index(blobs, [])


@pytest.fixture
def outcome(image):
    run = VariantReport(
        *(ARM64, image, "emulated", "/bin/x", "arm64", 0, 0.5, "the password is x\x01", None),
        health="healthy",
    )
    tests = (
        Checked("a.yaml", "commandTests", "good", "passed", 0.25),
        Checked("a.yaml", "portTests", "later", "skipped"),
    )
    static = StaticReport(ARM64, image, 3, 2, 1, (), created="2026-01-01T00:00:00Z")
    return Outcome(static, run, tests, "emulated")


def failing(outcome):
    bad = Checked("a.yaml", "fileContentTests", "bad", "failed", 0.0, "it has \x02 in it")
    return replace(outcome, tests=(*outcome.tests, bad))


def test_what_programs_read(outcome):
    plain = json.loads(json.dumps(outcome.plain()))
    assert (plain["platform"], plain["ran"], plain["health"]) == (
        *("linux/arm64", "emulated", "healthy"),
    )
    assert [(test["name"], test["result"], test["problem"]) for test in plain["tests"]] == [
        *(("good", "passed", None), ("later", "skipped", None))
    ]
    assert not outcome.failed
    assert list(failing(outcome).failures) == ["the test 'bad' of a.yaml failed: it has \x02 in it"]


def test_what_ci_systems_show(outcome):
    (suite,) = ElementTree.fromstring(junit_xml("app", [failing(outcome)]))
    cases = {case.get("name"): [part.tag for part in case] for case in suite}
    assert cases["run"] == ["system-out"]
    assert cases["a.yaml: commandTests: good"] == []
    assert cases["a.yaml: portTests: later"] == ["skipped"]
    assert cases["a.yaml: fileContentTests: bad"] == ["failure"]
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")
    assert suite.get("tests") == str(len(suite))
    failure = suite.find("testcase/failure")
    assert failure.get("message") == "it has \ufffd in it"


@pytest.mark.parametrize("failed", [False, True])
def test_what_is_attached(blobs, image, outcome, failed):
    outcomes = [outcome, failing(outcome) if failed else outcome]
    artifact = put_report(blobs, image, outcomes, "2026-02-02T00:00:00Z")
    manifest = Manifest.decode(blobs.read(artifact.digest))
    assert manifest.subject == replace(image, platform=None)
    assert manifest.artifact_type == artifact.artifact_type == REPORT
    result = "failed" if failed else "passed"
    assert manifest.annotations == {
        "org.opencontainers.image.created": "2026-02-02T00:00:00Z",
        "dev.amphora.verify.result": result,
    }
    (layer,) = manifest.layers
    report = json.loads(blobs.read(layer.digest))
    assert (report["image"], report["result"], layer.media_type) == (
        *(str(image.digest), result, REPORT),
    )
    assert len(report["variants"]) == 2
    assert "password" not in json.dumps(report)


def test_the_policy_is_heard_in_junit_too(outcome):
    finding = Finding("error", "policy", "", "too old")
    judged = replace(outcome, static=replace(outcome.static, findings=(finding,)))
    (suite,) = ElementTree.fromstring(junit_xml("app", [judged]))
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["policy"]
