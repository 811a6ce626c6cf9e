"""One graph for all platforms: stages as tasks that wait for each other, steps taken once."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from amphora.build.attaching import Attached, Attacher, Files
from amphora.build.attest.ledger import Ledger
from amphora.build.dockerfile import instructions as ast
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.mounts import Mount
from amphora.build.dockerfile.parser import SCRATCH, Stage, parse_trigger
from amphora.build.dockerfile.scope import Scope, expand_from, global_scope
from amphora.build.dockerfile.sources import source_stages
from amphora.build.fetching import Fetched
from amphora.build.filetree import FileTree
from amphora.build.preparing import Prepared
from amphora.build.programs import Programs
from amphora.build.sandbox import Sandbox
from amphora.build.showing import context_files, image_files
from amphora.build.stage import StageBuild
from amphora.build.state import ImageState
from amphora.build.steps import CopyStep, Step
from amphora.build.taking import Taker
from amphora.build.transfer import context_step, stage_step, tree_step
from amphora.core.errors import DockerfileError, InvalidValueError
from amphora.core.platform import Platform
from amphora.oci.cache_mounts import CacheMounts
from amphora.oci.config import chain_id, timestamp
from amphora.system.tasks import in_thread

_Built = tuple[ImageState, StageScope]


class Solver:
    """Builds the stages that a target needs, each once for a platform, all side by side."""

    def __init__(self, ready: Prepared, group: asyncio.TaskGroup, taker: Taker) -> None:
        """The tasks are the group's, so that it ends when the first of them fails."""
        request = ready.request
        self.runtime = ready.shop.runtime
        self.taker = taker
        self.programs = Programs(
            group,
            taker,
            ready.shop,
            network=request.run.network,
            any_revision=request.any_revision,
        )
        self.time = int(time.time())
        if request.source_date_epoch is not None:
            self.time = request.source_date_epoch
        self._ready = ready
        self._shop = ready.shop
        self._epoch = request.source_date_epoch
        self._group = group
        self._dockerfile = ready.inputs.dockerfile
        self._attacher = Attacher(
            CacheMounts(self._shop.store.root), self._shop.private, request.run
        )
        self._target_stage = self._dockerfile.target_stage(request.target or "")
        self._platforms = request.platforms
        self._scopes: dict[Platform, Scope] = {}
        self.passing_environment: Mapping[str, str] = self._scope(
            request.platforms[0]
        ).proxy_environment
        self.ledger = Ledger()
        self._stages: dict[tuple[int, Platform], asyncio.Task[_Built]] = {}
        self._context_steps: dict[tuple[ast.Transfer, str], asyncio.Task[CopyStep]] = {}

    async def solve(self) -> list[ImageState]:
        """The target stage on every platform, in the order asked for."""
        tasks = [self._stage(self._target_stage, item) for item in self._platforms]
        return [(await task)[0] for task in tasks]

    async def linked(self, name: str, platform: Platform) -> ImageState:
        """The target stage for a target that builds upon this one, `name`.

        Raises InvalidValueError for a platform that it is not built for.
        """
        if platform not in self._platforms and not self._ready.request.any_platform:
            if len(self._platforms) > 1:
                raise InvalidValueError(
                    f"the target {name!r} is not built for {platform}",
                    why=f"its platforms are {', '.join(map(str, self._platforms))}",
                    next_command=f"add {platform} to them",
                )
            platform = self._platforms[0]
        return (await self._stage(self._target_stage, platform))[0]

    def sandbox(self, run: ast.Run) -> Sandbox:
        return Sandbox.of(run, self._shop.networks, self._shop.private, self._ready.request.run)

    async def attach(
        self, stage: Stage, target: Platform, run: ast.Run, mounts: Sequence[Mount], directory: str
    ) -> Attached:
        async def find(name: str) -> Files:
            if not name:
                return context_files(self._ready.inputs.context, self._shop.snapshots)
            found = await self._files_of(name, stage, target)
            if isinstance(found, FileTree):
                return context_files(found, self._shop.snapshots)
            return image_files(self.taker.showing(found), chain_id(found.diff_ids), name)

        return await self._attacher.attach(run, mounts, directory, find)

    async def copy_step(
        self, stage: Stage, target: Platform, instruction: ast.Transfer, directory: str
    ) -> Step:
        if not isinstance(instruction, ast.Copy) or not instruction.from_:
            step = await self._context_step(instruction, self._ready.inputs.context, directory)
            self.ledger.used(target, [item.material for item in step.fetched])
            return step
        found = await self._files_of(instruction.from_, stage, target)
        if isinstance(found, FileTree):
            return await self._context_step(instruction, found, directory)
        return await in_thread(
            stage_step,
            instruction,
            self.taker.showing(found),
            self.taker.content,
            chain_id(found.diff_ids),
            directory,
        )

    async def _context_step(
        self, instruction: ast.Transfer, tree: FileTree, directory: str
    ) -> CopyStep:
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
            fetched = await self._ready.fetcher.fetch(instruction)
        return await in_thread(
            context_step,
            instruction,
            tree,
            directory,
            work=self._shop.work,
            epoch=self._epoch,
            fetched=fetched,
        )

    async def _files_of(self, name: str, stage: Stage, target: Platform) -> ImageState | FileTree:
        """The stage, named context or image that `from` in a stage names."""
        source = self._dockerfile.source_stage(name, stage)
        if source is not None:
            return (await self._stage(source, target))[0]
        if self._ready.contexts.has(name):
            found = await self._ready.contexts.open(name, target)
            if isinstance(found, FileTree):
                return found
            state = found[0]
        elif name == SCRATCH:
            state = ImageState.scratch(target)
        else:
            state = (await self._ready.bases.resolve(name, target))[0]
        self.ledger.used(target, state.materials)
        return state

    def _scope(self, platform: Platform) -> Scope:
        if platform not in self._scopes:
            request = self._ready.request
            self._scopes[platform] = global_scope(
                self._dockerfile,
                request.build_args,
                platform,
                Platform.host(),
                target_stage=request.target or "",
            )
        return self._scopes[platform]

    def _stage(self, stage: Stage, target: Platform) -> asyncio.Task[_Built]:
        identity = (stage.index, target)
        if identity not in self._stages:
            self._stages[identity] = self._group.create_task(self._build_stage(stage, target))
        return self._stages[identity]

    async def _build_stage(self, stage: Stage, target: Platform) -> _Built:
        scope = self._scope(target)
        base = expand_from(stage, scope)
        platform = Platform.parse(base.platform) if base.platform else target
        parent = self._dockerfile.base_stage(base.image, stage)
        triggers: Sequence[str] = ()
        if self._ready.contexts.has(stage.name):
            # The context is what this stage would have come to.
            state, _ = await self._from_context(stage.name, base, platform)
            self.ledger.used(target, state.materials)
            return state.without_triggers(), StageScope(scope, state.environment)
        self._begin_sources(stage, target)
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
        self.ledger.used(target, state.materials)
        state = state.without_triggers()
        instructions = tuple(parse_trigger(text, base.image) for text in triggers)
        built = await StageBuild(stage, target, variables, self).run(state, instructions)
        self.ledger.built(target, stage.index, built[0].steps)
        return built

    def _begin_sources(self, stage: Stage, target: Platform) -> None:
        """Have all that files are taken from be built side by side, before the first is needed."""
        # What is wrong with one of them is told where it stands.
        with suppress(DockerfileError):
            for source in source_stages(self._dockerfile, stage, self._scope(target)):
                self._stage(source, target)

    async def _from_image(
        self, base: ast.From, platform: Platform
    ) -> tuple[ImageState, Sequence[str]]:
        if self._ready.contexts.has(base.image):
            return await self._from_context(base.image, base, platform)
        with base.source.located(base.source.span(base.image)):
            return await self._ready.bases.resolve(base.image, platform)

    async def _from_context(
        self, name: str, base: ast.From, platform: Platform
    ) -> tuple[ImageState, Sequence[str]]:
        """An image, or scratch with the files of a directory in it."""
        with base.source.located():
            found = await self._ready.contexts.open(name, platform)
            if not isinstance(found, FileTree):
                return found
            step = await in_thread(tree_step, found, self._epoch)
        return await self.taker.take(
            self._scratch(platform), step, base.source.code, base.source
        ), ()

    def _scratch(self, platform: Platform) -> ImageState:
        state = ImageState.scratch(platform)
        return state if self._epoch is None else replace(state, created=timestamp(self._epoch))
