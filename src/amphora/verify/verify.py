"""Running every variant of an image and holding it to its label.

Runs inside the worker's namespaces.
"""

import asyncio
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amphora.core.descriptor import Descriptor
from amphora.core.errors import AmphoraError, VerificationError
from amphora.core.platform import Platform
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
from amphora.runtime.spec import Container
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
    """Run the variants, as many at a time as there are CPUs; one report each, in order.

    Raises NotFoundError for an image without variants, or without one that is asked
    for; what is wrong with a variant is said in its report.
    """
    platforms = chosen_platforms(store.blobs, request.image, request.platforms)
    sweep_workspaces(store.root)
    found = [image_for(store.blobs, request.image, platform) for platform in platforms]
    with workspace(store.root) as work:
        prover = _Prover(request, store, work)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(prover.report(platform, *variant))
                for platform, variant in zip(platforms, found, strict=True)
            ]
        return [task.result() for task in tasks]


class _Prover:
    def __init__(self, request: VerifyRequest, store: Store, work: Path) -> None:
        self._request = request
        self._snapshots = Snapshots(store.blobs, work)
        self._emulation = Emulation()
        self._runtime = Runtime(work)
        self._mount_points = make_mount_points(work / "mount-points")
        self._slots = asyncio.Semaphore(len(os.sched_getaffinity(0)))

    async def report(
        self, platform: Platform, descriptor: Descriptor, manifest: Manifest, config: ImageConfig
    ) -> VariantReport:
        async with self._slots:
            run = _Run(platform)
            try:
                await self._run(run, manifest, config)
            except AmphoraError as error:
                run.problem = str(error)
            return run.report(descriptor)

    async def _run(self, run: "_Run", manifest: Manifest, config: ImageConfig) -> None:
        layers = tuple(map(Layer, manifest.layers, config.diff_ids))
        run.ran = self._emulation.prepare([config.platform])[config.platform].where
        await in_thread(self._snapshots.unpack, layers)
        with self._snapshots.mounted(config.diff_ids, bottom=self._mount_points) as overlay:
            container = _container(overlay.root, config, self._request.command)
            run.find(container)
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._request.timeout):
                    run.status = await self._runtime.run(container, run.hear)
            except TimeoutError:
                run.problem = f"it did not end within {self._request.timeout:g} s"
            run.seconds = time.monotonic() - started
            if run.status:
                run.problem = f"it exited with status {run.status}"
            elif run.problem is None:
                run.problem = run.lack(self._request.expect)


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

    def lack(self, expect: re.Pattern[str] | None) -> str | None:
        """What is wrong with the output; None if it has in it what it must have."""
        if expect is None or expect.search(self._text):
            return None
        return f"its output has nothing in it that matches {expect.pattern!r}"

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
