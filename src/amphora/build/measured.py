"""How long instructions took when they were last executed, for plans to expect."""

import hashlib

import msgspec

from amphora.build.steps import RunStep, Step
from amphora.core.platform import Platform
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store


def way(step: Step) -> str:
    """How a step is executed if it is: native, handoff, emulated or worker, as in StepReport."""
    if not isinstance(step, RunStep):
        return "worker"
    return "handoff" if step.handoff is not None else step.execution.where


class Measured:
    """Kept in the store, by the text of an instruction, its platform and the way it is executed.

    The files below it do not count: after a change it probably takes as long as before.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, platform: Platform, code: str, way: str, seconds: float) -> None:
        """Keep the newest measurement in place of the one before."""
        self._store.cache_put(_key(platform, code, way), CacheRecord(None, None, "", way, seconds))

    def expected(self, platform: Platform, code: str, way: str) -> float | None:
        """Seconds; None if it was never executed this way."""
        record = self._store.cache_get(_key(platform, code, way))
        return None if record is None else record.seconds


def _key(platform: Platform, code: str, way: str) -> str:
    facts = msgspec.json.encode([str(platform), code, way])
    return f"seconds {hashlib.sha256(facts).hexdigest()}"
