"""How the outcome of `amphora verify` is shown, and what it ends with."""

from collections.abc import Iterator, Sequence

import click

from amphora.cli.output import print_table
from amphora.core.errors import VerificationError
from amphora.oci.layers.entry import printable
from amphora.verify.findings import Finding
from amphora.verify.outcome import Outcome

#: An image of the wrong CPU has as many findings as it has programs.
_MOST_SHOWN = 40
#: Characters of what is told in one line.
_LONGEST = 200


def show(outcomes: Sequence[Outcome]) -> None:
    """A line for each variant, then one for each finding, and one for each test."""
    if any(outcome.run for outcome in outcomes):
        print_table(
            ("PLATFORM", "PROGRAM", "FOR", "RAN", "SECONDS", "RESULT", "OUTPUT"),
            [_run_row(outcome) for outcome in outcomes],
        )
    else:
        print_table(
            ("PLATFORM", "PROGRAMS", "SCRIPTS", "ALLOWED", "ERRORS", "WARNINGS", "RESULT"),
            [_static_row(outcome) for outcome in outcomes],
        )
    found = [row for outcome in outcomes for row in _findings(outcome)]
    if found:
        click.echo()
        print_table(("LEVEL", "PLATFORM", "PATH", "FINDING", "LAYER"), found[:_MOST_SHOWN])
    if len(found) > _MOST_SHOWN:
        click.echo(f"… and {len(found) - _MOST_SHOWN} more: --format json shows all")
    tests = [row for outcome in outcomes for row in _tests(outcome)]
    if tests:
        click.echo()
        print_table(("RESULT", "PLATFORM", "TEST", "SECONDS", "WHY"), tests)


def check(name: str, outcomes: Sequence[Outcome]) -> None:
    """Raise VerificationError for the first variant that is not what it should be."""
    for outcome in outcomes:
        for failure in outcome.failures:
            raise VerificationError(
                f"{name} {_fault(outcome)} for {outcome.static.platform}",
                why=_clean(failure),
                next_command="correct the Dockerfile and build it again; "
                "--format json shows the whole output",
            )


def _fault(outcome: Outcome) -> str:
    kinds = {each.kind for each in outcome.static.findings if each.level == "error"}
    if kinds - {"policy", "tests"} or (outcome.run and outcome.run.problem):
        return "is not what its label says"
    return "is not what the policy wants" if "policy" in kinds else "does not pass its tests"


def _run_row(outcome: Outcome) -> tuple[object, ...]:
    report = outcome.run
    if report is None:
        return (outcome.static.platform, "", "", "", "", _result(outcome), "")
    lines = report.output.strip().splitlines()
    return (
        report.platform,
        report.program,
        report.architecture,
        report.ran,
        f"{report.seconds:.2f}",
        _result(outcome),
        lines[0][:60] if lines else "",
    )


def _static_row(outcome: Outcome) -> tuple[object, ...]:
    static = outcome.static
    warnings = len(static.findings) - static.errors
    counts = (static.programs, static.scripts, static.allowed, static.errors, warnings)
    return (static.platform, *counts, _result(outcome))


def _result(outcome: Outcome) -> str:
    return "FAILED" if outcome.failed else "ok"


def _findings(outcome: Outcome) -> Iterator[tuple[object, ...]]:
    for finding in outcome.static.findings:
        yield (
            finding.level,
            outcome.static.platform,
            _clean(finding.path),
            _clean(finding.what),
            _layer(finding),
        )


def _tests(outcome: Outcome) -> Iterator[tuple[object, ...]]:
    for test in outcome.tests:
        yield (
            test.result,
            outcome.static.platform,
            _clean(test.name)[:60],
            f"{test.seconds:.2f}",
            _clean(test.problem or "")[:_LONGEST],
        )


def _layer(finding: Finding) -> str:
    if finding.layer is None:
        return ""
    line = _clean(finding.made_by.removesuffix(" # buildkit"))
    return f"{finding.layer}: {line[:80]}" if line else str(finding.layer)


def _clean(text: str) -> str:
    """Nothing that an image says reaches the terminal raw."""
    return printable(text.encode("utf-8", "surrogateescape"))
