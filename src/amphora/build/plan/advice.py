"""Which stages would gain from being built on this machine's own CPU for all platforms."""

from collections.abc import Iterator, Sequence

from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.scope import Scope, base_chain, lines
from amphora.build.measured import Measured
from amphora.build.plan.plan import Advice, PlannedStep
from amphora.core.platform import Platform

#: How many times longer than natively something takes before it is worth a word.
_WORTH = 1.5


def advise(
    dockerfile: Dockerfile,
    target: Stage,
    scope: Scope,
    steps: Sequence[PlannedStep],
    measured: Measured,
) -> Iterator[Advice]:
    """One for each stage and platform whose RUNs cost more there than natively.

    A stage that the target is based on is left out, since its files are the image's own, and
    so is one that is a base image's platform away already.
    """
    kept = base_chain(dockerfile, target, scope)
    for stage in dockerfile.stages:
        chain = base_chain(dockerfile, stage, scope)
        if stage in kept or any(each.base.platform for each in chain):
            continue
        of_stage = {line for filename, line in lines(stage) if filename == dockerfile.filename}
        foreign = [
            step
            for step in steps
            if step.line in of_stage and step.where in {"handoff", "emulated"}
        ]
        for platform in dict.fromkeys(step.platform for step in foreign):
            mine = [step for step in foreign if step.platform == platform]
            found = _compare(stage, chain[-1], platform, mine, measured)
            if found is not None:
                yield found


def _compare(
    stage: Stage,
    root: Stage,
    platform: Platform,
    steps: Sequence[PlannedStep],
    measured: Measured,
) -> Advice | None:
    """What was measured in both ways decides; else everything emulated is worth a word."""
    codes = {item.source.start: item.source.code for item in stage.instructions}
    seconds = _sum([step.seconds for step in steps])
    native = _sum(
        [measured.expected(Platform.host(), codes[step.line], "native") for step in steps]
    )
    if seconds is not None and native is not None:
        gains = seconds > _WORTH * native
    else:
        gains = any(step.where == "emulated" for step in steps)
    if not gains:
        return None
    return Advice(root.base.source.start, stage.title, platform, seconds, native)


def _sum(seconds: Sequence[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return sum(known) if len(known) == len(seconds) else None
