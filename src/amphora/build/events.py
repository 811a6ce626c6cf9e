"""What a build tells while it goes on; whoever listens decides how to show it."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from amphora.build.plan.plan import Plan
from amphora.core.platform import Platform


class StepStarted(Struct, frozen=True):
    """`identity` names the step in the events that follow; `title` is its instruction.

    `target` is what of several builds it is taken for, or empty.
    """

    identity: int
    platform: Platform
    title: str
    target: str = ""

    @property
    def name(self) -> str:
        """How the step is shown: `[app linux/arm64] [build 2/5] RUN make`."""
        where = f"{self.target} {self.platform}" if self.target else str(self.platform)
        return f"[{where}] {self.title}"


class StepOutput(Struct, frozen=True):
    """Some bytes that a step's program printed."""

    identity: int
    content: bytes


class StepFinished(Struct, frozen=True):
    """`ran` as in StepReport; `detail` is what handoff has to say, or empty.

    One that was `canceled` was stopped half-way, because another failed or somebody said so.
    """

    identity: int
    ran: str
    seconds: float
    ended: Literal["well", "failed", "canceled"] = "well"
    detail: str = ""


class Warned(Struct, frozen=True):
    """Something that works but is probably not what was meant; `place` is FILE:LINE or a flag."""

    place: str
    text: str


class Planned(Struct, frozen=True):
    """What is going to be done, if that was to be told."""

    plan: Plan


Event = StepStarted | StepOutput | StepFinished | Warned | Planned
Listener = Callable[[Event], None]
