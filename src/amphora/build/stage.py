"""One stage of a Dockerfile on one platform: its instructions, one after the other."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from amphora.build.attaching import Attached, script_path
from amphora.build.dockerfile import instructions as ast
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.mounts import Mount
from amphora.build.dockerfile.parser import Stage
from amphora.build.metadata import change_config, command_line
from amphora.build.programs import Programs
from amphora.build.sandbox import Sandbox
from amphora.build.state import ImageState
from amphora.build.steps import RunStep, Step, WorkdirStep
from amphora.build.taking import Taker
from amphora.core.platform import Platform
from amphora.runtime.container import Runtime


class Surroundings(Protocol):
    """What a stage needs of the build around it."""

    runtime: Runtime
    taker: Taker
    programs: Programs
    #: What directories made on the way are dated: the same on every platform.
    time: int
    passing_environment: Mapping[str, str]

    async def attach(
        self, stage: Stage, target: Platform, run: ast.Run, mounts: Sequence[Mount], directory: str
    ) -> Attached:
        """What the mounts of a RUN show it."""
        ...

    def sandbox(self, run: ast.Run) -> Sandbox:
        """The network of a RUN and what it may do; raises DockerfileError."""
        ...

    async def copy_step(
        self, stage: Stage, target: Platform, instruction: ast.Transfer, directory: str
    ) -> Step:
        """The step for a COPY or ADD whose variables are replaced."""
        ...


class StageBuild:
    """Builds one stage; `target` is the platform of the image that is asked for."""

    def __init__(
        self, stage: Stage, target: Platform, scope: StageScope, around: Surroundings
    ) -> None:
        self._stage = stage
        self._target = target
        self._scope = scope
        self._around = around
        self._own_command = False

    async def run(
        self, state: ImageState, triggers: tuple[ast.Instruction, ...]
    ) -> tuple[ImageState, StageScope]:
        """Apply the base image's ONBUILD triggers, then the stage's own instructions.

        Returns the state and the variables that a stage based on this one starts with.
        """
        for instruction in (*triggers, *self._stage.instructions):
            with instruction.source.located():
                state = await self._apply(state, instruction)
        return state, self._scope

    async def _apply(self, state: ImageState, instruction: ast.Instruction) -> ImageState:
        expanded = self._scope.apply(instruction)
        created_by = instruction.source.code
        match expanded:
            case ast.Arg():
                return state.with_config(state.config, created_by)
            case ast.Maintainer(name=name):
                return replace(state, author=name)
            case ast.Run():
                step: Step = await self._run_step(state, expanded)
            case ast.Transfer():
                directory = state.config.working_dir
                step = await self._around.copy_step(self._stage, self._target, expanded, directory)
            case ast.Workdir():
                state = self._change(state, expanded)
                place, owner = state.config.working_dir, state.config.user
                step = WorkdirStep(place, owner, self._around.time)
            case _:
                changed = self._change(state, expanded)
                return state.with_config(changed.config, created_by)
        return await self._around.taker.take(
            state, step, self._title(instruction), instruction.source
        )

    def _change(self, state: ImageState, instruction: ast.Instruction) -> ImageState:
        config = change_config(state.config, instruction, own_command=self._own_command)
        self._own_command = self._own_command or isinstance(instruction, ast.Cmd)
        return replace(state, config=config)

    async def _run_step(self, state: ImageState, run: ast.Run) -> RunStep:
        command = run.shell_text if run.is_shell else run.command
        arguments = command_line(state.config, script_path(run) if run.inline_file else command)
        directory = state.config.working_dir or "/"
        mounts = self._scope.mounts(run)
        passing = self._around.passing_environment
        return RunStep(
            runtime=self._around.runtime,
            execution=self._around.programs.execution(state.platform),
            title=self._title(run),
            arguments=arguments,
            environment=self._scope.environment(),
            passing_environment=passing,
            working_directory=directory,
            user=state.config.user,
            sandbox=self._around.sandbox(run),
            attached=await self._around.attach(self._stage, self._target, run, mounts, directory),
            handoff=self._around.programs.handoff_source(state, run.source, passing),
        )

    def _title(self, instruction: ast.Instruction) -> str:
        """How logs call the step: `[build 2/5] RUN make`."""
        steps = self._stage.instructions
        number = next((i for i, item in enumerate(steps, 1) if item is instruction), 0)
        return f"[{self._stage.title} {number}/{len(steps)}] {instruction.source.code}"
