"""Running every variant of an image and holding it to its label.

Runs inside the worker's namespaces.
"""

import asyncio
import os
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from amphora.core.descriptor import Descriptor
from amphora.core.errors import AmphoraError, VerificationError
from amphora.core.platform import Platform
from amphora.emulation.exclusion import RECORD, marked, new_mark, only
from amphora.emulation.support import Emulation
from amphora.oci.config import ImageConfig
from amphora.oci.graph import image_for
from amphora.oci.model import Manifest
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.container import Runtime
from amphora.runtime.identity import resolve_user
from amphora.runtime.mountpoints import make_mount_points, network_binds
from amphora.runtime.spec import Bind, Container
from amphora.system.process import find_tool
from amphora.system.tasks import in_thread
from amphora.verify.program import find_program
from amphora.verify.selection import chosen_platforms

#: How much of a variant's output is kept for the report, in bytes.
_KEPT_OUTPUT = 64 * 1024


@dataclass(frozen=True, slots=True)
class VariantReport:
    """What a variant did: `architecture` is that of the program that ran, `problem` None if good.

    `output` is the beginning of what it printed.
    """

    platform: Platform
    manifest: Descriptor
    ran: str
    program: str
    architecture: str
    status: int | None
    seconds: float
    output: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """`command` replaces the image's own; `platforms` empty means all; `timeout` in seconds.

    `expect` is what the output of every variant must have in it.
    """

    image: Descriptor
    platforms: Sequence[Platform] = ()
    command: Sequence[str] = ()
    timeout: float = 60
    expect: re.Pattern[str] | None = None


async def verify(request: VerifyRequest, store: Store) -> list[VariantReport]:
    """Run the variants, those of one CPU side by side; one report each, in order.

    What runs is of the variant's own CPU: a program of another, be it this machine's, is
    denied and reported (see `emulation.exclusion`). Not so before Linux 6.7.

    Raises NotFoundError for an image without variants, or without one that is asked
    for; what is wrong with a variant is said in its report.
    """
    platforms = chosen_platforms(store.blobs, request.image, request.platforms)
    sweep_workspaces(store.root)
    found = [image_for(store.blobs, request.image, platform) for platform in platforms]
    with workspace(store.root) as work, ExitStack() as stack:
        prover = _Prover(request, store, work, stack)
        trials = [
            _Trial(number, platform, *variant)
            for number, (platform, variant) in enumerate(zip(platforms, found, strict=True))
        ]
        # One CPU after the other: while programs of one may run, those of all others may not.
        architectures = dict.fromkeys(trial.config.platform.architecture for trial in trials)
        reports: dict[int, VariantReport] = {}
        for architecture in architectures:
            alike = [each for each in trials if each.config.platform.architecture == architecture]
            reports |= await prover.report_all(alike)
        return [reports[trial.number] for trial in trials]


@dataclass(frozen=True, slots=True)
class _Trial:
    """A variant that is to be run."""

    number: int
    platform: Platform
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig


class _Prover:
    def __init__(self, request: VerifyRequest, store: Store, work: Path, stack: ExitStack) -> None:
        self._request = request
        self._work = work
        self._snapshots = Snapshots(store.blobs, work)
        self._mark = new_mark()
        self._emulation = Emulation(mark=self._mark)
        crun = stack.enter_context(marked(Path(find_tool("crun", "crun")), self._mark))
        self._runtime = Runtime(work, crun)
        self._mount_points = make_mount_points(work / "mount-points")
        self._slots = asyncio.Semaphore(len(os.sched_getaffinity(0)))

    async def report_all(self, trials: Sequence[_Trial]) -> dict[int, VariantReport]:
        """Run variants of one CPU, side by side; their reports by number."""
        platform = trials[0].config.platform
        try:
            where = self._emulation.prepare([platform])[platform].where
        except AmphoraError as error:
            return {each.number: _not_run(each, error) for each in trials}
        alone = only(platform, self._mark) if self._emulation.is_private else nullcontext()
        with alone:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._report(each, where)) for each in trials]
        return {each.number: task.result() for each, task in zip(trials, tasks, strict=True)}

    async def _report(self, trial: _Trial, where: str) -> VariantReport:
        async with self._slots:
            run = _Run(trial.platform)
            run.ran = where
            try:
                await self._run(run, trial)
            except AmphoraError as error:
                run.problem = str(error)
            return run.report(trial.descriptor)

    async def _run(self, run: "_Run", trial: _Trial) -> None:
        diff_ids = trial.config.diff_ids
        await in_thread(self._snapshots.unpack, tuple(map(Layer, trial.manifest.layers, diff_ids)))
        record = self._work / f"denied-{trial.number}"
        record.touch()
        record.chmod(0o666)
        with self._snapshots.mounted(diff_ids, bottom=self._mount_points) as overlay:
            container = _container(overlay.root, trial.config, self._request.command)
            run.find(container)
            noted = Bind(record, RECORD, read_only=False)
            container = replace(container, binds=(*container.binds, noted))
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._request.timeout):
                    run.status = await self._runtime.run(container, run.hear)
            except TimeoutError:
                run.problem = f"it did not end within {self._request.timeout:g} s"
            run.seconds = time.monotonic() - started
        run.judge(_denied(record), self._request.expect)


def _not_run(trial: _Trial, error: AmphoraError) -> VariantReport:
    run = _Run(trial.platform)
    run.problem = str(error)
    return run.report(trial.descriptor)


def _denied(record: Path) -> list[str]:
    """The programs that were denied, each once; the container could write anything there."""
    with record.open("rb") as file:
        lines = file.read(_KEPT_OUTPUT).decode(errors="replace").splitlines()
    return list(dict.fromkeys(lines))


class _Run:
    """One variant while it is verified."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._output = bytearray()
        self.ran = ""
        self.status: int | None = None
        self.seconds = 0.0
        self.problem: str | None = None
        self._program = ""
        self._architecture = ""

    def hear(self, chunk: bytes) -> None:
        self._output += chunk[: _KEPT_OUTPUT - len(self._output)]

    def judge(self, denied: Sequence[str], expect: re.Pattern[str] | None) -> None:
        """Note what is wrong with how it ran, if anything is; programs denied weigh most."""
        if denied:
            self.problem = f"it started {denied[0]}, which is for another CPU, and was not let"
        elif self.status:
            self.problem = f"it exited with status {self.status}"
        elif self.problem is None and expect and not expect.search(self._text):
            self.problem = f"its output has nothing in it that matches {expect.pattern!r}"

    @property
    def _text(self) -> str:
        return self._output.decode(errors="replace")

    def find(self, container: Container) -> None:
        """Note what will run; raises VerificationError if it is for another CPU.

        Even one that this machine could run: it could not where the label sends it.
        """
        program = find_program(
            container.root,
            container.arguments,
            container.environment,
            container.working_directory,
        )
        self._program = program.path
        self._architecture = program.architecture or "unknown"
        if program.architecture != self._platform.architecture:
            raise VerificationError(
                f"{program.path} is a program for {self._architecture}",
                why=f"the variant is labelled {self._platform}",
                next_command="build it for the platform of its label",
            )

    def report(self, manifest: Descriptor) -> VariantReport:
        return VariantReport(
            platform=self._platform,
            manifest=manifest,
            ran=self.ran,
            program=self._program,
            architecture=self._architecture,
            status=self.status,
            seconds=self.seconds,
            output=self._text,
            problem=self.problem,
        )


def _container(root: Path, config: ImageConfig, command: Sequence[str]) -> Container:
    start = config.config
    arguments = command or (*(start.entrypoint or ()), *(start.cmd or ()))
    if not arguments:
        raise VerificationError(
            "the image says nothing to run",
            why="it has neither ENTRYPOINT nor CMD",
            next_command="give a command with --cmd",
        )
    return Container(
        root=root,
        arguments=arguments,
        environment=dict(entry.partition("=")[::2] for entry in start.env or ()),
        working_directory=start.working_dir or "/",
        user=resolve_user(root, start.user),
        binds=network_binds(),
    )
