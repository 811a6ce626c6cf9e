"""What `--handoff=full` makes, and who may have it from the cache."""

import asyncio
from dataclasses import dataclass, field

import pytest

from amphora.build.executor import Executor
from amphora.build.steps import Outcome
from amphora.emulation.account import Account
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store

pytestmark = pytest.mark.privileged


@dataclass
class Made:
    """A step that writes a file, and tells which counterparts there were."""

    other_revisions: set[str] = field(default_factory=set)
    runs_container: bool = False

    def facts(self):
        return {"made": True}

    async def perform(self, root, on_output):
        (root / "made").write_text("by a compiler")
        return Outcome("handoff", Account(other_revisions=self.other_revisions))


@pytest.mark.parametrize("revisions", [set(), {"gcc-14 14.2.0-19, native 14.2.0-20"}])
def test_other_revisions_are_recalled_by_those_who_accept_them(tmp_path, revisions):
    """What was made without them is everybody's."""
    store = Store(tmp_path / "store")

    def executor(name, *, any_revision, use_cache=True):
        work = tmp_path / name
        work.mkdir()
        return Executor(
            store,
            Snapshots(store.blobs, work),
            work,
            slots=asyncio.Semaphore(1),
            use_cache=use_cache,
            source_date_epoch=0,
            any_revision=any_revision,
        )

    full, exact = executor("full", any_revision=True), executor("exact", any_revision=False)
    key = full.key([], Made())
    assert key == exact.key([], Made())
    done = asyncio.run(full.perform(key, [], Made(revisions), lambda _: None))
    assert full.recall(key).layer == done.layer
    assert (exact.recall(key) is None) is bool(revisions)
    assert executor("fresh", any_revision=True, use_cache=False).recall(key) is None
