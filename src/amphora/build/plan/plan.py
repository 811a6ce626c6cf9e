"""What a build would do, step by step, and where it would gain."""

from collections.abc import Sequence

from msgspec import Struct

from amphora.core.platform import Platform


class PlannedStep(Struct, frozen=True):
    """A step of one platform.

    `where` is "cached", or the way it would be executed: "native", "cross" (natively, for
    another platform), "handoff", "emulated" or "worker" (no program of the image runs).
    `seconds` is what is expected: 0 for what is cached, None for what was never measured.
    `line` is that of its instruction.
    """

    platform: Platform
    title: str
    line: int
    where: str
    why: str
    seconds: float | None


class Advice(Struct, frozen=True):
    """A stage that would gain from being built on this machine's own CPU; `line` is its FROM's.

    The seconds are those of its RUNs for `platform`, and natively; None: not measured.
    """

    line: int
    stage: str
    platform: Platform
    seconds: float | None
    native_seconds: float | None


class Plan(Struct, frozen=True):
    """`steps` stand in the order of the Dockerfile, one platform after the other."""

    filename: str
    steps: Sequence[PlannedStep]
    advice: Sequence[Advice]
