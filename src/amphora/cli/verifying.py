"""`amphora verify` from what it was told to what came out: files, runs, tests, then the policy."""

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct

from amphora.cli.worker import run_async
from amphora.core.descriptor import Descriptor
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.core.settings import Settings
from amphora.oci.graph import variants
from amphora.oci.names import now
from amphora.oci.store import Store
from amphora.registry.client import Registry
from amphora.verify.findings import read_patterns
from amphora.verify.labels import Baselines
from amphora.verify.outcome import Outcome
from amphora.verify.policy import Policy, apply_policy, parse_policy
from amphora.verify.report import put_report
from amphora.verify.static import StaticReport, StaticRequest, verify_static
from amphora.verify.suite import Suite
from amphora.verify.suite_file import find_suites
from amphora.verify.verify import Verified, VerifyRequest, verify
from amphora.verify.yaml_text import read_file


class Wanted(Struct, frozen=True):
    """What the command was told; see its help."""

    platforms: tuple[Platform, ...]
    static_only: bool
    baselines: Baselines
    allow: tuple[str, ...]
    allow_file: Path | None
    command_line: str | None
    expect: re.Pattern[str] | None
    timeout: float
    health: bool
    tests: Path | None
    policy: Path | None

    @property
    def asks_for_own_run(self) -> bool:
        """Is it said how the image's own command is to be judged?"""
        return self.command_line is not None or self.expect is not None or self.health


def verify_image(wanted: Wanted, image: Descriptor, store: Store) -> list[Outcome]:
    """One outcome for each variant, and for each that the policy misses.

    Raises InvalidValueError for tests or a policy that cannot be read, and what the parts raise.
    """
    policy = _policy(wanted.policy)
    suites = find_suites(wanted.tests)
    for suite in suites:
        click.echo(f"tests: {suite.source}", err=True)
    static = verify_static(_static_request(wanted, policy, image), store)
    verified = _verify(wanted, suites, static, image, store)
    outcomes = [
        Outcome(report, each.run, each.tests, each.ran)
        for report, each in zip(static, verified, strict=True)
    ]
    there = variants(store.blobs, image)
    return apply_policy(policy, outcomes, image, there, datetime.now(UTC))


def attach_report(
    settings: Settings, store: Store, reference: Reference, outcomes: Sequence[Outcome]
) -> Descriptor:
    """Attach the report to the image, in the store and in its registry.

    Raises NotFoundError if the registry does not have the image, and what pushing raises.
    """
    image = store.resolve(reference)
    artifact = put_report(store.blobs, image, outcomes, now())
    store.attach(artifact, reference)

    async def push() -> None:
        insecure = settings.insecure_registries
        async with Registry(reference.domain, insecure_registries=insecure) as registry:
            await registry.attach(store.blobs, artifact, reference)

    run_async(push())
    return artifact


def _policy(path: Path | None) -> Policy:
    return Policy() if path is None else parse_policy(read_file(path), str(path))


def _static_request(wanted: Wanted, policy: Policy, image: Descriptor) -> StaticRequest:
    named = wanted.allow_file.read_text(errors="replace") if wanted.allow_file else ""
    return StaticRequest(
        image=image,
        platforms=wanted.platforms,
        baselines=Baselines({**policy.baselines.levels, **wanted.baselines.levels}),
        allow=(*policy.allow, *wanted.allow, *read_patterns(named)),
        image_may_allow=policy.image_may_allow,
    )


def _verify(
    wanted: Wanted,
    suites: Sequence[Suite],
    static: Sequence[StaticReport],
    image: Descriptor,
    store: Store,
) -> list[Verified]:
    """Run what is to be run; nothing is mounted if there is nothing to be done."""
    tests = {report.platform: (*suites, *report.suites) for report in static}
    if wanted.static_only and not any(tests.values()):
        return [Verified(None) for _ in static]
    # What an image brings does not spare it its own run.
    runs_something = any(suite.runs_something for suite in suites)
    request = VerifyRequest(
        image=image,
        platforms=wanted.platforms,
        command=shlex.split(wanted.command_line or ""),
        timeout=wanted.timeout,
        expect=wanted.expect,
        health=wanted.health,
        suites=tests,
        own_run=wanted.asks_for_own_run or not runs_something,
        only_files=wanted.static_only,
    )
    return run_async(verify(request, store))
