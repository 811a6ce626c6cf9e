"""Going through a build without taking its steps."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from amphora.build.dockerfile.scope import Line
from amphora.build.dockerfile.source import Source
from amphora.build.executor import Executor
from amphora.build.measured import way
from amphora.build.plan.plan import PlannedStep
from amphora.build.state import ImageState
from amphora.build.steps import CopyStep, Step
from amphora.build.taking import Taker
from amphora.build.workshop import Workshop
from amphora.core.descriptor import OCI_LAYER, Descriptor
from amphora.core.digest import Digest
from amphora.oci.snapshots import Layer

_WHY = {
    "native": "this machine's own CPU",
    "cross": "this machine's own CPU, as its FROM --platform says",
    "handoff": "another CPU; its base has a native variant to hand programs off to",
    "worker": "no program of the image runs",
}


class _NotBuiltError(Exception):
    """Somebody wants to look at files that only the build will make."""


class Planner(Taker):
    """Notes each step in place of taking it, and goes on as if it had been taken.

    What is cached has its real layer. What is not gets one that is not there, named by the
    step's key: so nothing that depends on it is found in the cache either.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        executor: Executor,
        shop: Workshop,
        fresh: Collection[Line],
        *,
        crossing: Collection[Line],
        why_emulated: Callable[[], str],
    ) -> None:
        """`crossing`: the lines of stages that are built on one platform for another.

        `why_emulated` tells why nothing of a RUN would be handed off.
        """
        super().__init__(group, executor, shop, fresh)
        self._crossing = crossing
        self._why_emulated = why_emulated
        self._noted: dict[str, PlannedStep] = {}
        self._absent: set[Digest] = set()

    @property
    def steps(self) -> list[PlannedStep]:
        """What was noted, in the order of the Dockerfile, one platform after the other."""
        return sorted(self._noted.values(), key=lambda step: (str(step.platform), step.line))

    async def take(self, state: ImageState, step: Step, title: str, source: Source) -> ImageState:
        """The state after the step, whose layer may not be there."""
        below = state
        if isinstance(step, CopyStep) and step.linked:
            below = ImageState(state.platform)
            if not self._lacks(state):
                step = await self._with_numeric_owner(step, state)
        key = self._executor.key(below.layers, step)
        done, why = None, "remembered in the store"
        if self._may_recall(step, source):
            done = self._executor.recall(key)
            if done is None:
                done, why = await self._executor.find(key), "in a cache that --cache-from names"
        if done is None:
            self._noted[key] = self._planned(state, step, title, source)
            return state.with_layer(self._absent_layer(key), "", source.code)
        self._noted[key] = PlannedStep(state.platform, title, source.start, "cached", why, 0.0)
        return state.with_layer(done.layer, done.created, source.code)

    def content(self, key: str, look: Callable[[], Digest]) -> Digest:
        """As Taker has it; a digest that no files have where they are not there yet."""
        try:
            return super().content(key, look)
        except _NotBuiltError:
            return _digest_of(key)

    def showing(self, state: ImageState) -> Callable[[], AbstractContextManager[Path]]:
        if not self._lacks(state):
            return super().showing(state)

        @contextmanager
        def nothing() -> Iterator[Path]:
            raise _NotBuiltError
            yield

        return nothing

    def _planned(self, state: ImageState, step: Step, title: str, source: Source) -> PlannedStep:
        where = way(step)
        seconds = self._measured.expected(state.platform, source.code, where)
        if where == "native" and (source.filename, source.start) in self._crossing:
            where = "cross"
        why = _WHY.get(where) or f"another CPU; {self._why_emulated()}"
        return PlannedStep(state.platform, title, source.start, where, why, seconds)

    def _lacks(self, state: ImageState) -> bool:
        return not self._absent.isdisjoint(state.diff_ids)

    def _absent_layer(self, key: str) -> Layer:
        digest = _digest_of(key)
        self._absent.add(digest)
        return Layer(Descriptor(OCI_LAYER, digest, 0), digest)


def _digest_of(key: str) -> Digest:
    return Digest.of(f"planned {key}".encode())
