"""The book of a build: which materials and steps each platform's image needed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from amphora.build.attest.facts import Material, TakenStep
from amphora.core.platform import Platform


class Ledger:
    """Written by many tasks, in whatever order they end; read in an order of its own."""

    def __init__(self) -> None:
        self._materials: defaultdict[Platform, set[Material]] = defaultdict(set)
        self._steps: dict[tuple[Platform, int], Sequence[TakenStep]] = {}

    def used(self, target: Platform, materials: Iterable[Material]) -> None:
        """Something from elsewhere was used for the image of a platform."""
        self._materials[target].update(materials)

    def built(self, target: Platform, stage: int, steps: Sequence[TakenStep]) -> None:
        """A stage, by its number, was built for the image of a platform."""
        self._steps[target, stage] = steps

    def materials(self, target: Platform) -> set[Material]:
        return self._materials[target]

    def steps(self, target: Platform) -> list[TakenStep]:
        """Stage by stage; what a stage has of another one is told once."""
        stages = sorted(stage for platform, stage in self._steps if platform == target)
        return list(dict.fromkeys(step for stage in stages for step in self._steps[target, stage]))
