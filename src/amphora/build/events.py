"""What a build tells while it goes on; whoever listens decides how to show it."""

from collections.abc import Callable
from dataclasses import dataclass

from amphora.build.plan.plan import Plan
from amphora.core.platform import Platform


@dataclass(frozen=True, slots=True)
class StepStarted:
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


@dataclass(frozen=True, slots=True)
class StepOutput:
    """Some bytes that a step's program printed."""

    identity: int
    content: bytes


@dataclass(frozen=True, slots=True)
class StepFinished:
    """`ran` as in StepReport; `detail` is what handoff has to say, or empty."""

    identity: int
    ran: str
    seconds: float
    failed: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that works but is probably not what was meant; `place` is FILE:LINE or a flag."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Planned:
    """What is going to be done, if that was to be told."""

    plan: Plan


Event = StepStarted | StepOutput | StepFinished | Warned | Planned
Listener = Callable[[Event], None]
