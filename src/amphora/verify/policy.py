"""What an image must be to pass: a small file for the gate of a CI job.

Without one, what `findings.Finding` calls an error fails, and nothing else.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.core.descriptor import Descriptor
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.verify.findings import Finding, Kind
from amphora.verify.labels import Baselines, parse_baselines
from amphora.verify.outcome import Outcome
from amphora.verify.static import StaticReport
from amphora.verify.suite import TestKind
from amphora.verify.yaml_text import Value, read_yaml

#: What becomes of findings of a kind.
Verdict: TypeAlias = Literal["error", "warning", "ignore"]
#: What must have been done to every variant.
Done: TypeAlias = Literal["run", "health", "tests"]

_VERSION = "1"
_RUNNING: tuple[TestKind, ...] = ("commandTests", "portTests")
_AGE = re.compile(r"([0-9]{1,5})([hd])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
#: The policy's own findings are what it says they are.
_KINDS = [kind for kind in get_args(Kind) if kind != "policy"]


class Policy(Struct, frozen=True):
    """`emulated` are the platforms that may be run by an emulator; None: all may."""

    platforms: tuple[Platform, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    baselines: Baselines = field(default_factory=Baselines)
    allow: tuple[str, ...] = ()
    image_may_allow: bool = True
    maximum_age: timedelta | None = None
    emulated: tuple[Platform, ...] | None = None
    required: tuple[Done, ...] = ()


def parse_policy(text: str, source: str) -> Policy:
    """Read a policy; raises InvalidValueError, naming the line."""
    document = read_yaml(text, source)
    found = document.mapping(
        {
            *("schemaVersion", "platforms", "findings", "baselines", "allow", "imageMayAllow"),
            *("maximumAge", "emulated", "required"),
        }
    )
    version = found.get("schemaVersion")
    if version is None or version.text() != _VERSION:
        raise (version or document).wrong(
            "the version of the schema is needed", f"schemaVersion: {_VERSION}"
        )
    return Policy(
        platforms=_platforms(found["platforms"]) if "platforms" in found else (),
        verdicts=_verdicts(found["findings"]) if "findings" in found else {},
        baselines=_baselines(found["baselines"]) if "baselines" in found else Baselines(),
        allow=found["allow"].texts() if "allow" in found else (),
        image_may_allow=found["imageMayAllow"].truth() if "imageMayAllow" in found else True,
        maximum_age=_age(found["maximumAge"]) if "maximumAge" in found else None,
        emulated=_emulated(found["emulated"]) if "emulated" in found else None,
        required=tuple(map(_done, found["required"].items())) if "required" in found else (),
    )


def apply_policy(
    policy: Policy,
    outcomes: Sequence[Outcome],
    image: Descriptor,
    there: Collection[Platform],
    now: datetime,
) -> list[Outcome]:
    """The outcomes with the policy's verdicts, and its own findings among the others.

    `there` are the platforms of the `image`, verified or not: one that the policy wants and the
    image lacks has an outcome of its own.
    """
    judged = [_judge(policy, outcome, now) for outcome in outcomes]
    for platform in policy.platforms:
        if not any(platform.matches(each, strict=True) for each in there):
            what = f"the policy wants {platform}, and the image has no such variant"
            lack = Finding("error", "policy", "", what)
            judged.append(Outcome(StaticReport(platform, image, 0, 0, 0, (lack,))))
    return judged


def _judge(policy: Policy, outcome: Outcome, now: datetime) -> Outcome:
    kept: list[Finding] = []
    for finding in outcome.static.findings:
        verdict = policy.verdicts.get(finding.kind, finding.level)
        if verdict != "ignore":
            kept.append(replace(finding, level=verdict))
    more = (Finding("error", "policy", "", what) for what in _breaches(policy, outcome, now))
    return replace(outcome, static=replace(outcome.static, findings=(*kept, *more)))


def _breaches(policy: Policy, outcome: Outcome, now: datetime) -> Iterator[str]:
    """What the policy wants, and the variant or what was done with it lacks."""
    if policy.maximum_age is not None:
        yield from _too_old(policy.maximum_age, outcome.static.created, now)
    run = outcome.run
    emulated = policy.emulated
    if (
        outcome.ran == "emulated"
        and emulated is not None
        and not any(platform.matches(outcome.static.platform, strict=True) for platform in emulated)
    ):
        yield "it ran in an emulator, which the policy does not let count"
    tested = [test for test in outcome.tests if test.result != "skipped"]
    done: dict[Done, bool] = {
        "run": run is not None or any(test.kind in _RUNNING for test in tested),
        "health": run is not None and run.health is not None,
        "tests": bool(tested),
    }
    asked: dict[Done, str] = {
        "run": "be run, and nothing of it was",
        "health": "become healthy, and that was not tried (--health)",
        "tests": "be tested, and there are no tests",
    }
    for each in policy.required:
        if not done[each]:
            yield f"the policy wants it to {asked[each]}"


def _too_old(most: timedelta, created: str | None, now: datetime) -> Iterator[str]:
    try:
        age = now - datetime.fromisoformat(created or "").astimezone(UTC)
    except (ValueError, OverflowError):
        yield "the policy wants to know its age, and its config does not say when it was made"
        return
    if age > most:
        yield f"it was made {age.days} days ago, and the policy lets it be {most.days} days old"


def _platforms(value: Value) -> tuple[Platform, ...]:
    return tuple(map(_platform, value.items()))


def _platform(value: Value) -> Platform:
    try:
        return Platform.parse(value.text())
    except InvalidValueError as error:
        raise value.wrong(str(error), error.next_command) from error


def _verdicts(value: Value) -> dict[str, Verdict]:
    return {kind: _verdict(each) for kind, each in value.mapping(_KINDS).items()}


def _verdict(value: Value) -> Verdict:
    text = value.text()
    for verdict in get_args(Verdict):
        if text == verdict:
            return verdict  # type: ignore[no-any-return]
    raise value.wrong(f"{text[:60]!r} is no verdict", "write error, warning or ignore")


def _baselines(value: Value) -> Baselines:
    for item in value.items():
        try:
            parse_baselines([item.text()])
        except InvalidValueError as error:
            raise item.wrong(str(error), "write for example x86-64-v2 or armv8.2") from error
    return parse_baselines(value.texts())


def _age(value: Value) -> timedelta:
    match = _AGE.fullmatch(value.text())
    if match is None:
        raise value.wrong(f"{value.text()[:60]!r} is no age", "write it as 30d or 12h")
    return int(match[1]) * _UNITS[match[2]]


def _emulated(value: Value) -> tuple[Platform, ...] | None:
    if value.is_list:
        return _platforms(value)
    return None if value.truth() else ()


def _done(value: Value) -> Done:
    text = value.text()
    for done in get_args(Done):
        if text == done:
            return done  # type: ignore[no-any-return]
    raise value.wrong(f"{text[:60]!r} cannot be required", "write run, health or tests")
