"""What the plan of a build looks like, and what became of it."""

from collections.abc import Sequence
from typing import Any

from amphora.build.plan.plan import Advice, Plan, PlannedStep
from amphora.build.request import StepReport
from amphora.cli.output import table_lines


def plan_lines(plan: Plan) -> list[str]:
    """A line for each step, what each platform takes in all, and where that could be less."""
    rows = [
        (step.platform, step.title, step.where, _seconds(step.seconds), step.why)
        for step in plan.steps
    ]
    lines = table_lines(("PLATFORM", "STEP", "WHERE", "EXPECTED", "WHY"), rows) if rows else []
    return [*lines, *_totals(plan.steps), *(_advice(plan, each) for each in plan.advice)]


def outcome_lines(plan: Plan, reports: Sequence[StepReport]) -> list[str]:
    """What was expected of every step that was executed beside what it took; none if none was."""
    planned = {(step.platform, step.title): step for step in plan.steps}
    rows = [
        (
            report.platform,
            report.title,
            _place(planned[report.platform, report.title]),
            f"{report.ran} {_seconds(report.seconds)}",
        )
        for report in reports
        if report.ran != "cached" and (report.platform, report.title) in planned
    ]
    return table_lines(("PLATFORM", "STEP", "PREDICTED", "ACTUAL"), rows) if rows else []


def plain_plan(plan: Plan) -> dict[str, Any]:
    """The plan as JSON has it."""
    return {
        "file": plan.filename,
        "steps": [
            {
                "platform": str(step.platform),
                "title": step.title,
                "line": step.line,
                "where": step.where,
                "why": step.why,
                "expected_seconds": _rounded(step.seconds),
            }
            for step in plan.steps
        ],
        "advice": [
            {
                "line": each.line,
                "stage": each.stage,
                "platform": str(each.platform),
                "expected_seconds": _rounded(each.seconds),
                "native_seconds": _rounded(each.native_seconds),
            }
            for each in plan.advice
        ],
    }


def _totals(steps: Sequence[PlannedStep]) -> list[str]:
    """Steps of a platform mostly wait for each other, those of two platforms do not."""
    lines = []
    for platform in dict.fromkeys(step.platform for step in steps):
        mine = [step.seconds for step in steps if step.platform == platform]
        known = sum(each for each in mine if each is not None)
        unknown = mine.count(None)
        rest = f", and {unknown} of {len(mine)} steps never measured" if unknown else ""
        lines.append(f"{platform}: {_seconds(known)} expected{rest}")
    return lines


def _advice(plan: Plan, advice: Advice) -> str:
    costs = ""
    if advice.seconds is not None and advice.native_seconds is not None:
        costs = f" ({_seconds(advice.seconds)}, natively {_seconds(advice.native_seconds)})"
    return (
        f"{plan.filename}:{advice.line}: stage {advice.stage} would gain from FROM"
        f" --platform=$BUILDPLATFORM: its RUNs are for {advice.platform}{costs}; what they compile"
        " must then be for $TARGETARCH"
    )


def _place(step: PlannedStep) -> str:
    return step.where if step.where == "cached" else f"{step.where} {_seconds(step.seconds)}"


def _seconds(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.1f} s"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
