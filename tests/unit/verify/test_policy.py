"""Policies: read, mistaken, and applied to outcomes."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from amphora.core.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.verify.findings import Finding
from amphora.verify.outcome import Outcome
from amphora.verify.policy import Policy, apply_policy, parse_policy
from amphora.verify.run import VariantReport
from amphora.verify.static import StaticReport
from amphora.verify.suite import Checked

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
IMAGE = Descriptor(OCI_INDEX, Digest.of(b"index"), 5)
MANIFEST = Descriptor(OCI_MANIFEST, Digest.of(b"manifest"), 8)

WHOLE = """
schemaVersion: 1
platforms: [linux/amd64, aarch64]
findings: {library: error, interpreter: ignore, label: warning}
baselines: [x86-64-v2, armv8.2]
allow: ["/opt/firmware/*"]
imageMayAllow: false
maximumAge: 30d
emulated: [linux/arm64]
required: [run, health, tests]
"""


def outcome(platform=AMD64, *findings, run=None, tests=(), ran="", created=None):
    static = StaticReport(platform, MANIFEST, 1, 1, 0, findings, created=created)
    return Outcome(static, run, tests, ran)


def judged(policy, *outcomes, there=(AMD64, ARM64)):
    """What each outcome fails for."""
    return [list(each.failures) for each in apply_policy(policy, outcomes, IMAGE, there, NOW)]


def own_run(**fields):
    report = VariantReport(AMD64, MANIFEST, "native", "/x", "amd64", 0, 0.1, "", None)
    return replace(report, **fields)


def test_everything_is_read():
    policy = parse_policy(WHOLE, "x")
    assert policy.platforms == (AMD64, ARM64)
    assert policy.verdicts == {"library": "error", "interpreter": "ignore", "label": "warning"}
    assert policy.baselines.of(AMD64) == (2, 0)
    assert (policy.allow, policy.image_may_allow) == (("/opt/firmware/*",), False)
    assert policy.maximum_age == timedelta(days=30)
    assert policy.emulated == (ARM64,)
    assert policy.required == ("run", "health", "tests")


def test_without_a_word_all_is_as_without_a_policy():
    policy = parse_policy("schemaVersion: 1", "x")
    assert policy == Policy()
    lie = Finding("error", "architecture", "/x", "wrong")
    hint = Finding("warning", "library", "/y", "odd")
    given = outcome(AMD64, lie, hint, ran="emulated")
    assert apply_policy(policy, [given], IMAGE, [AMD64], NOW) == [given]


@pytest.mark.parametrize(("text", "platforms"), [("true", None), ("false", ())])
def test_emulators_are_let_or_not(text, platforms):
    policy = parse_policy(f"schemaVersion: 1\nemulated: {text}", "x")
    assert policy.emulated == platforms


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("schemaVersion: 2", "the version of the schema"),
        ("schemaVersion: 1\nplatforms: [linux/pdp11]", "'linux/pdp11' is not a platform"),
        ("schemaVersion: 1\nplatform: []", "'platform' is not known here"),
        ("schemaVersion: 1\nfindings: {libary: error}", "'libary' is not known here"),
        ("schemaVersion: 1\nfindings: {policy: ignore}", "'policy' is not known here"),
        ("schemaVersion: 1\nfindings: {library: bad}", "'bad' is no verdict"),
        ("schemaVersion: 1\nbaselines: [pentium]", "'pentium' is not a baseline"),
        ("schemaVersion: 1\nmaximumAge: 30", "'30' is no age"),
        ("schemaVersion: 1\nemulated: maybe", "true or false is expected"),
        ("schemaVersion: 1\nrequired: [luck]", "'luck' cannot be required"),
    ],
)
def test_mistakes_are_told_with_their_line(text, why):
    with pytest.raises(InvalidValueError) as caught:
        parse_policy(text, "gate.yaml")
    line = len(text.splitlines())
    assert caught.value.what == f"line {line} of gate.yaml cannot be read"
    assert why in caught.value.why


def test_findings_become_what_the_policy_says():
    policy = parse_policy(WHOLE.partition("baselines")[0], "x")
    findings = [
        Finding("warning", "library", "/a", "odd"),
        Finding("warning", "interpreter", "/b", "gone"),
        Finding("error", "label", "", "lies"),
        Finding("error", "entry", "/c", "gone"),
    ]
    (result,) = apply_policy(policy, [outcome(AMD64, *findings)], IMAGE, [AMD64, ARM64], NOW)
    assert [(each.kind, each.level) for each in result.static.findings] == [
        *(("library", "error"), ("label", "warning"), ("entry", "error"))
    ]


def test_a_platform_that_is_missing_fails_by_itself():
    policy = Policy(platforms=(AMD64, ARM64))
    assert judged(policy, outcome()) == [[]]
    results = apply_policy(policy, [outcome()], IMAGE, [AMD64], NOW)
    assert [each.static.platform for each in results] == [AMD64, ARM64]
    assert results[1].plain()["manifest"] == str(IMAGE.digest)
    assert list(results[1].failures) == [
        "the policy wants linux/arm64, and the image has no such variant"
    ]
    # What else would run there is not what was asked for.
    assert judged(Policy(platforms=(AMD64,)), outcome(), there=[Platform.parse("linux/386")])[1]


@pytest.mark.parametrize(
    ("created", "why"),
    [
        ("2026-05-20T10:00:00Z", None),
        ("2026-05-20T10:00:00.123456789Z", None),
        ("1970-01-01T00:00:00Z", "it was made 20605 days ago, and the policy lets it be 30"),
        (None, "does not say when it was made"),
        ("yesterday", "does not say when it was made"),
    ],
)
def test_age(created, why):
    (failures,) = judged(Policy(maximum_age=timedelta(days=30)), outcome(created=created))
    assert (not failures) if why is None else why in failures[0]


def test_emulated_runs_count_where_they_may():
    policy = Policy(emulated=(ARM64,))
    emulated = [outcome(platform, ran="emulated") for platform in (AMD64, ARM64)]
    assert judged(policy, *emulated, outcome(ran="native")) == [
        *(["it ran in an emulator, which the policy does not let count"], [], [])
    ]


def test_what_must_have_been_done():
    passed = Checked("x", "commandTests", "a", "passed")
    of_files = Checked("x", "fileExistenceTests", "a", "passed")
    skipped = Checked("x", "commandTests", "a", "skipped")

    def lacks(required, **fields):
        return len(judged(Policy(required=(required,)), outcome(**fields))[0])

    assert [lacks("run"), lacks("run", tests=(of_files, skipped))] == [1, 1]
    assert [lacks("run", run=own_run()), lacks("run", tests=(passed,))] == [0, 0]
    assert [lacks("health", run=own_run()), lacks("health", run=own_run(health="healthy"))] == [
        1,
        0,
    ]
    assert [lacks("tests", tests=(skipped,)), lacks("tests", tests=(of_files,))] == [1, 0]
