"""One graph for all platforms: stages as tasks that wait for each other, steps taken once."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from amphora.build.attaching import Attached, Attacher, Files
from amphora.build.bases import Bases
from amphora.build.contexts import NamedContexts
from amphora.build.dockerfile import instructions as ast
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.mounts import Mount
from amphora.build.dockerfile.parser import SCRATCH, Dockerfile, Stage, parse_trigger
from amphora.build.dockerfile.scope import expand_from, fresh_lines, global_scope
from amphora.build.dockerfile.source import Source
from amphora.build.events import Listener
from amphora.build.executor import Executor, Performed
from amphora.build.fetching import Fetched, Fetcher
from amphora.build.filetree import FileTree
from amphora.build.handoff import HandoffSource, fetch_command
from amphora.build.ownership import needs_root, resolve_owner
from amphora.build.reporter import Reporter
from amphora.build.request import BuildRequest
from amphora.build.run_options import RunOptions
from amphora.build.sandbox import Sandbox
from amphora.build.showing import context_files, image_files
from amphora.build.stage import StageBuild
from amphora.build.state import ImageState, Twin
from amphora.build.steps import CopyStep, FetchStep, Step
from amphora.build.transfer import context_step, stage_step, tree_step
from amphora.core.digest import Digest
from amphora.core.errors import AmphoraError
from amphora.core.platform import Platform
from amphora.emulation.counterparts import Identity
from amphora.emulation.support import Emulation, Execution
from amphora.oci.config import chain_id, timestamp
from amphora.oci.snapshots import Layer, Snapshots
from amphora.runtime.container import Runtime
from amphora.runtime.networks import Networks
from amphora.system.tasks import in_thread

_Built = tuple[ImageState, StageScope]


class Solver:
    """Builds the stages that a target needs, each once for a platform, all side by side."""

    def __init__(
        self,
        request: BuildRequest,
        dockerfile: Dockerfile,
        context: FileTree,
        *,
        bases: Bases,
        contexts: NamedContexts,
        fetcher: Fetcher,
        executor: Executor,
        snapshots: Snapshots,
        emulation: Emulation,
        runtime: Runtime,
        networks: Networks,
        attacher: Attacher,
        work: Path,
        private: Path,
        listener: Listener,
    ) -> None:
        self.runtime = runtime
        self.time = int(time.time())
        if request.source_date_epoch is not None:
            self.time = request.source_date_epoch
        self._epoch = request.source_date_epoch
        self._any_revision = request.any_revision
        self._dockerfile = dockerfile
        self._context = context
        self._bases = bases
        self._contexts = contexts
        self._fetcher = fetcher
        self._executor = executor
        self._snapshots = snapshots
        self._emulation = emulation
        self._networks = networks
        self._attacher = attacher
        self._run_options = request.run
        self._work = work
        self._private = private
        self.reporter = Reporter(listener)
        self._target_stage = dockerfile.target_stage(request.target or "")
        self._platforms = request.platforms
        self._scopes = {
            platform: global_scope(
                dockerfile,
                request.build_args,
                platform,
                Platform.host(),
                target_stage=request.target or "",
            )
            for platform in request.platforms
        }
        self.passing_environment: Mapping[str, str] = next(
            iter(self._scopes.values())
        ).proxy_environment
        self._stages: dict[tuple[int, Platform], asyncio.Task[_Built]] = {}
        self._context_steps: dict[tuple[ast.Transfer, str], asyncio.Task[CopyStep]] = {}
        self._steps: dict[str, asyncio.Task[Performed]] = {}
        self._unpacking: dict[Path, asyncio.Task[None]] = {}
        self._fetches: dict[str, asyncio.Task[tuple[Layer, ...]]] = {}
        self._natives: dict[Digest | None, tuple[Layer, ...]] = {}
        self._digests: dict[Identity, str] = {}
        self._fresh = fresh_lines(dockerfile, request.no_cache_stages)
        self.own_layers: set[Digest] = set()
        self._said_no_handoff = False
        self._said_revisions: set[str] = set()

    async def solve(self) -> list[ImageState]:
        """The target stage on every platform, in the order asked for.

        The first error ends everything that is under way, and is raised.
        """
        try:
            async with asyncio.TaskGroup() as self._group:
                tasks = [self._stage(self._target_stage, item) for item in self._platforms]
        except BaseExceptionGroup as group:
            raise _first_error(group) from None
        return [task.result()[0] for task in tasks]

    def execution(self, platform: Platform) -> Execution:
        execution = self._emulation.prepare([platform])[platform]
        why = self._emulation.lacks_for_handoff
        if execution.emulator and why and not self._said_no_handoff:
            self._said_no_handoff = True
            self.reporter.warn("--handoff", f"no program is handed off: {why}")
        return execution

    def handoff_source(self, state: ImageState, source: Source) -> HandoffSource | None:
        twin = state.twin
        if twin is None or not self.execution(state.platform).handoff:
            return None

        chain = chain_id([layer.diff_id for layer in twin.native])

        async def fetch(packages: Mapping[str, str]) -> Sequence[Layer]:
            self._natives[chain] = await self._fetched(twin, packages, source)
            return self._natives[chain]

        layers = self._natives.get(chain, twin.native)
        return HandoffSource(
            self._snapshots, layers, twin.base, self._digests, self._work, fetch, self._any_revision
        )

    def sandbox(self, run: ast.Run) -> Sandbox:
        return Sandbox.of(run, self._networks, self._private, self._run_options)

    async def attach(
        self, stage: Stage, target: Platform, run: ast.Run, mounts: Sequence[Mount], directory: str
    ) -> Attached:
        async def find(name: str) -> Files:
            if not name:
                return context_files(self._context, self._snapshots)
            found = await self._files_of(name, stage, target)
            if isinstance(found, FileTree):
                return context_files(found, self._snapshots)
            return image_files(self._showing(found), chain_id(found.diff_ids), name)

        return await self._attacher.attach(run, mounts, directory, find)

    async def copy_step(
        self, stage: Stage, target: Platform, instruction: ast.Transfer, directory: str
    ) -> Step:
        if not isinstance(instruction, ast.Copy) or not instruction.from_:
            return await self._context_step(instruction, self._context, directory)
        found = await self._files_of(instruction.from_, stage, target)
        if isinstance(found, FileTree):
            return await self._context_step(instruction, found, directory)
        return await in_thread(
            stage_step,
            instruction,
            self._showing(found),
            self._executor.content,
            chain_id(found.diff_ids),
            directory,
        )

    async def take(self, state: ImageState, step: Step, title: str, source: Source) -> ImageState:
        """The state after a step; two platforms that need the very same one share it."""
        below = state
        if isinstance(step, CopyStep) and step.linked:
            step = await self._with_numeric_owner(step, state)
            below = ImageState(state.platform)
        key = self._executor.key(below.layers, step)
        task = self._steps.get(key)
        if task is None:
            task = self._group.create_task(self._perform(key, below, step, title, source))
            self._steps[key] = task
        done = await task
        if done.layer is not None:
            self.own_layers.add(done.layer.blob.digest)
        return state.with_layer(done.layer, done.created, source.code)

    async def _context_step(
        self, instruction: ast.Transfer, tree: FileTree, directory: str
    ) -> Step:
        """The step for files of a context, which all platforms look for together."""
        wanted = (instruction, directory)
        if wanted not in self._context_steps:
            self._context_steps[wanted] = self._group.create_task(
                self._find_in_context(instruction, tree, directory)
            )
        return await self._context_steps[wanted]

    async def _find_in_context(
        self, instruction: ast.Transfer, tree: FileTree, directory: str
    ) -> CopyStep:
        fetched: Sequence[Fetched] = ()
        if isinstance(instruction, ast.Add):
            fetched = await self._fetcher.fetch(instruction)
        return await in_thread(
            context_step,
            instruction,
            tree,
            directory,
            work=self._work,
            epoch=self._epoch,
            fetched=fetched,
        )

    async def _with_numeric_owner(self, step: CopyStep, state: ImageState) -> CopyStep:
        """A linked layer is made without the files that tell what a name means."""
        if not needs_root(step.chown):
            return step
        await self._unpack(state)
        with self._snapshots.mounted(state.diff_ids) as overlay:
            owner = resolve_owner(overlay.root, step.chown)
        return replace(step, chown=f"{owner.uid}:{owner.gid}")

    async def _files_of(self, name: str, stage: Stage, target: Platform) -> ImageState | FileTree:
        """The stage, named context or image that `from` in a stage names."""
        source = self._dockerfile.source_stage(name, stage)
        if source is not None:
            return (await self._stage(source, target))[0]
        if self._contexts.has(name):
            found = await self._contexts.open(name, target)
            return found if isinstance(found, FileTree) else found[0]
        if name == SCRATCH:
            return ImageState.scratch(target)
        return (await self._bases.resolve(name, target))[0]

    def _stage(self, stage: Stage, target: Platform) -> asyncio.Task[_Built]:
        identity = (stage.index, target)
        if identity not in self._stages:
            self._stages[identity] = self._group.create_task(self._build_stage(stage, target))
        return self._stages[identity]

    async def _build_stage(self, stage: Stage, target: Platform) -> _Built:
        scope = self._scopes[target]
        base = expand_from(stage, scope)
        platform = Platform.parse(base.platform) if base.platform else target
        parent = self._dockerfile.base_stage(base.image, stage)
        triggers: Sequence[str] = ()
        if self._contexts.has(stage.name):
            # The context is what this stage would have come to.
            state, _ = await self._from_context(stage.name, base, platform)
            return state.without_triggers(), StageScope(scope, state.environment)
        if parent is not None:
            state, parent_scope = await self._stage(parent, target)
            variables = parent_scope.child()
            triggers = state.config.on_build or ()
        elif base.image == SCRATCH:
            state = self._scratch(platform)
            variables = StageScope(scope, state.environment)
        else:
            state, triggers = await self._from_image(base, platform)
            variables = StageScope(scope, state.environment)
        state = state.without_triggers()
        instructions = tuple(parse_trigger(text, base.image) for text in triggers)
        return await StageBuild(stage, target, variables, self).run(state, instructions)

    async def _from_image(
        self, base: ast.From, platform: Platform
    ) -> tuple[ImageState, Sequence[str]]:
        if self._contexts.has(base.image):
            return await self._from_context(base.image, base, platform)
        with base.source.located(base.source.span(base.image)):
            return await self._bases.resolve(base.image, platform)

    async def _from_context(
        self, name: str, base: ast.From, platform: Platform
    ) -> tuple[ImageState, Sequence[str]]:
        """An image, or scratch with the files of a directory in it."""
        with base.source.located():
            found = await self._contexts.open(name, platform)
            if not isinstance(found, FileTree):
                return found
            step = await in_thread(tree_step, found, self._epoch)
        return await self.take(self._scratch(platform), step, base.source.code, base.source), ()

    def _scratch(self, platform: Platform) -> ImageState:
        state = ImageState.scratch(platform)
        return state if self._epoch is None else replace(state, created=timestamp(self._epoch))

    async def _perform(
        self, key: str, state: ImageState, step: Step, title: str, source: Source
    ) -> Performed:
        always, done = isinstance(step, FetchStep), None
        if always or (source.filename, source.start) not in self._fresh:
            done = await self._executor.find(key, always=always)
        if done is None:
            await self._unpack(state)
        with source.located(), self.reporter.telling(state.platform, title) as told:
            if done is None:
                done = await self._executor.perform(key, state.layers, step, told.output)
            told.ran, told.account = done.ran, done.account
            if done.account is not None:
                self._warn_of_revisions(done.account.other_revisions)
            return done

    def _warn_of_revisions(self, revisions: set[str]) -> None:
        """Once in a build for each."""
        for each in sorted(revisions - self._said_revisions):
            text = f"{each}: of another revision, so the bytes may differ from pure emulation's"
            self.reporter.warn("--handoff=full", text)
        self._said_revisions |= revisions

    async def _fetched(
        self, twin: Twin, packages: Mapping[str, str], source: Source
    ) -> tuple[Layer, ...]:
        """The layers of a native variant with these packages in it.

        Always from the variant as it is, so that the cache knows the result by the packages.
        """
        native = ImageState(Platform.host(), twin.native)
        step = FetchStep(
            runtime=self.runtime,
            execution=self.execution(native.platform),
            title=f"fetch native counterparts of {', '.join(packages)}",
            arguments=fetch_command(packages, any_revision=self._any_revision),
            environment={"DEBIAN_FRONTEND": "noninteractive"},
            passing_environment=self.passing_environment,
            working_directory="/",
            user="",
            sandbox=Sandbox(
                self._networks,
                self._private,
                RunOptions(),
                # Not `none`: that is for the Dockerfile's commands, which this is none of.
                network="host" if self._run_options.network == "host" else "default",
            ),
        )
        key = self._executor.key(native.layers, step)
        if key not in self._fetches:
            self._fetches[key] = self._group.create_task(self._fetch(key, native, step, source))
        return await self._fetches[key]

    async def _fetch(
        self, key: str, native: ImageState, step: FetchStep, source: Source
    ) -> tuple[Layer, ...]:
        """The native layers with what was fetched; as they were, if it cannot be had."""
        try:
            done = await self._perform(key, native, step, step.title, source)
        except AmphoraError as error:
            self.reporter.warn(step.title, f"{error.why}; it stays in the emulator")
            return native.layers
        return native.layers if done.layer is None else (*native.layers, done.layer)

    async def _unpack(self, state: ImageState) -> None:
        """Have the layers on disk as directories; a task of its own, shared by all who wait."""
        path = self._snapshots.path(state.diff_ids)
        if path.exists():
            return
        if path not in self._unpacking:
            self._unpacking[path] = self._group.create_task(self._unpack_now(state))
        await self._unpacking[path]

    async def _unpack_now(self, state: ImageState) -> None:
        title = f"unpack {len(state.layers)} layer(s) of the base image"
        with self.reporter.telling(state.platform, title):
            await in_thread(self._snapshots.unpack, state.layers)

    def _showing(self, state: ImageState) -> Callable[[], AbstractContextManager[Path]]:
        """A way to look at the files of a state, mounted while somebody looks."""

        @contextmanager
        def shown() -> Iterator[Path]:
            self._snapshots.unpack(state.layers)
            with self._snapshots.mounted(state.diff_ids) as overlay:
                yield overlay.root

        return shown


def _first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; the rest of the group was ended because of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
