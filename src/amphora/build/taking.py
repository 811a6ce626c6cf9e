"""Steps taken once: remembered, shared by the platforms that need the very same, or performed."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.build.attest.facts import TakenStep
from amphora.build.dockerfile.scope import Line
from amphora.build.dockerfile.source import Source
from amphora.build.executor import Executor, Performed
from amphora.build.measured import Measured, way
from amphora.build.ownership import needs_root, resolve_owner
from amphora.build.state import ImageState
from amphora.build.steps import CopyStep, FetchStep, Step
from amphora.build.workshop import Workshop
from amphora.core.digest import Digest
from amphora.oci.config import chain_id
from amphora.oci.uses import Use
from amphora.system.tasks import in_thread


class Taken(Struct, frozen=True):
    """The tasks of builds that go on side by side: what one of them takes, others have.

    Steps are told apart by their key and whether what is remembered counts for them.
    `own_layers` gathers the blobs of all layers that steps came to, `uses` what is to be noted
    of the steps, by the keys under which they are remembered.
    """

    steps: dict[tuple[str, bool], asyncio.Task[Performed]] = field(default_factory=dict)
    unpacking: dict[Path, asyncio.Task[None]] = field(default_factory=dict)
    own_layers: set[Digest] = field(default_factory=set)
    uses: dict[str, Use] = field(default_factory=dict)


class Taker:
    """Takes steps for one build, each in a task that all who need it wait for.

    `fresh` are the lines whose steps are performed whatever is remembered.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        executor: Executor,
        shop: Workshop,
        fresh: Collection[Line],
        taken: Taken | None = None,
    ) -> None:
        """`taken` is what this build shares with others of the same group."""
        self._group = group
        self._executor = executor
        self._snapshots = shop.snapshots
        self._reporter = shop.reporter
        self._measured = Measured(shop.store)
        self._fresh = fresh
        self._taken = taken or Taken()
        self._said_revisions: set[str] = set()
        self._reported: set[tuple[str, bool]] = set()

    async def take(self, state: ImageState, step: Step, title: str, source: Source) -> ImageState:
        """The state after a step. Raises what performing it does, with where it stands."""
        below = state
        if isinstance(step, CopyStep) and step.linked:
            step = await self._with_numeric_owner(step, state)
            below = ImageState(state.platform)
        key = self._executor.key(below.layers, step)
        steps, same = self._taken.steps, (key, self._remembers(step, source))
        if same not in steps:
            steps[same] = self._group.create_task(self.perform(below, step, title, source))
            self._reported.add(same)
        done = await steps[same]
        if same not in self._reported:
            self._reported.add(same)
            self._reporter.taken_elsewhere(below.platform, title)
        self._executor.took(key, done)
        if done.layer is not None:
            self._taken.own_layers.add(done.layer.blob.digest)
        diff_id = done.layer.diff_id if done.layer else None
        taken = TakenStep(title, source.start, below.platform, done.origin, diff_id)
        changed = state.with_layer(done.layer, done.created, source.code)
        return replace(changed, steps=(*state.steps, taken))

    async def perform(self, state: ImageState, step: Step, title: str, source: Source) -> Performed:
        """What a step upon a state comes to, as `take` has it, but for this caller alone."""
        key = self._executor.key(state.layers, step)
        done = None
        if self._may_recall(step, source):
            done = await self._executor.find(key, always=isinstance(step, FetchStep))
        if done is None:
            await self._unpack(state)
        with source.located(), self._reporter.telling(state.platform, title) as told:
            if done is None:
                done = await self._executor.perform(key, state.layers, step, told.output)
                self._measured.note(state.platform, source.code, way(step), done.seconds)
            self._taken.uses[done.key] = _use(state, title, done)
            told.ran, told.account = done.ran, done.account
            if done.account is not None:
                self._warn_of_revisions(done.account.other_revisions)
            return done

    def content(self, key: str, look: Callable[[], Digest]) -> Digest:
        """As FileDigests: what is known of files that a state holds, or what a look tells."""
        return self._executor.content(key, look)

    def showing(self, state: ImageState) -> Callable[[], AbstractContextManager[Path]]:
        """A way to look at the files of a state, mounted while somebody looks."""

        @contextmanager
        def shown() -> Iterator[Path]:
            self._snapshots.unpack(state.layers)
            with self._snapshots.mounted(state.diff_ids) as overlay:
                yield overlay.root

        return shown

    def _remembers(self, step: Step, source: Source) -> bool:
        return self._executor.use_cache and self._may_recall(step, source)

    def _may_recall(self, step: Step, source: Source) -> bool:
        return isinstance(step, FetchStep) or (source.filename, source.start) not in self._fresh

    def _warn_of_revisions(self, revisions: set[str]) -> None:
        """Once in a build for each."""
        for each in sorted(revisions - self._said_revisions):
            text = f"{each}: of another revision, so the bytes may differ from pure emulation's"
            self._reporter.warn("--handoff=full", text)
        self._said_revisions |= revisions

    async def _with_numeric_owner(self, step: CopyStep, state: ImageState) -> CopyStep:
        """A linked layer is made without the files that tell what a name means."""
        if not needs_root(step.chown):
            return step
        await self._unpack(state)
        with self._snapshots.mounted(state.diff_ids) as overlay:
            owner = resolve_owner(overlay.root, step.chown)
        return replace(step, chown=f"{owner.uid}:{owner.gid}")

    async def _unpack(self, state: ImageState) -> None:
        """Have the layers on disk as directories; a task of its own, shared by all who wait."""
        if self._snapshots.has(state.diff_ids):
            return
        path = self._snapshots.path(state.diff_ids)
        if path not in self._taken.unpacking:
            self._taken.unpacking[path] = self._group.create_task(self._unpack_now(state))
        await self._taken.unpacking[path]

    async def _unpack_now(self, state: ImageState) -> None:
        title = f"unpack {len(state.layers)} layer(s) of the base image"
        with self._reporter.telling(state.platform, title):
            await in_thread(self._snapshots.unpack, state.layers)


def _use(state: ImageState, title: str, done: Performed) -> Use:
    parent = chain = chain_id(state.diff_ids)
    if done.layer is not None:
        chain = chain_id([*state.diff_ids, done.layer.diff_id])
    return Use(title, str(state.platform), parent, chain)
