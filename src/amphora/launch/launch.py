"""From an image to a container and its end.

The container's root is an overlay on the image's snapshots, thrown away at the end: the
image's files are never changed. Runs inside the worker's namespaces.
"""

import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from amphora.core.errors import ContainerError, InvalidValueError, MissingToolError
from amphora.emulation.support import Emulation, Execution
from amphora.launch.image import Source, Variant, find_variant
from amphora.launch.live import LiveContainer, describe, name_taken
from amphora.launch.request import LaunchRequest
from amphora.oci.config import ContainerConfig, timestamp
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.container import Runtime
from amphora.runtime.foreground import PASSED_ON, run_in_foreground
from amphora.runtime.identity import resolve_user
from amphora.runtime.mountpoints import make_mount_points
from amphora.runtime.names import name_files
from amphora.runtime.networks import Networks
from amphora.runtime.spec import Bind, Container, Network
from amphora.system.cgroups import Group
from amphora.system.memory import memory_directory
from amphora.system.process import find_tool
from amphora.system.tasks import in_thread

#: Static programs that do nothing but pass signals on and reap, and where they are shown.
_INITS = ("tini-static", "catatonit")
_INIT_AT = "/dev/init"


class Handoff(Protocol):
    """What has the programs of a mounted root handed off: binds for its container."""

    def __call__(
        self, variant: Variant, snapshots: Snapshots, work: Path, root: Path
    ) -> AbstractAsyncContextManager[Sequence[Bind]]: ...


@dataclass(frozen=True, slots=True)
class Helpers:
    """What a launch needs of others: where images come from, who is told what.

    `process` is the PID of the amphora outside of the worker; `group` limits the container.
    """

    source: Source
    say: Callable[[str], None]
    handoff: Handoff
    process: int
    group: Group | None = None


async def launch(request: LaunchRequest, store: Store, helpers: Helpers) -> int:
    """Run a container to its end; returns its exit status.

    Raises NotFoundError, UnsupportedPlatformError, InvalidValueError, ContainerError and what
    `find_variant` and `run_in_foreground` raise.
    """
    sweep_workspaces(store.root)
    variant = await find_variant(request, store, helpers.source, helpers.say)
    with (
        name_taken(store.root, request.name) as description,
        workspace(store.root) as work,
        # What a container is started with may hold secrets, so it is on no disk.
        memory_directory(work / "private") as private,
    ):
        launching = _Launch(request, variant, helpers, store, work, private, description)
        return await launching.run()


@dataclass(frozen=True, slots=True)
class _Launch:
    request: LaunchRequest
    variant: Variant
    helpers: Helpers
    store: Store
    work: Path
    private: Path
    description: Path

    async def run(self) -> int:
        variant, request = self.variant, self.request
        emulation = Emulation(handoff=request.handoff)
        if emulation.lacks_for_handoff:
            self.helpers.say(f"nothing is handed off: {emulation.lacks_for_handoff}")
        execution = emulation.prepare([variant.config.platform])[variant.config.platform]
        snapshots = Snapshots(self.store.blobs, self.work)
        await in_thread(snapshots.unpack, variant.layers)
        bottom = make_mount_points(self.work / "mount-points")
        with snapshots.mounted(variant.config.diff_ids, bottom=bottom) as overlay:
            async with self._network() as network:
                files = name_files(
                    network,
                    self._area("names"),
                    request.connections.hosts,
                    hostname=request.hostname,
                )
                container = self._container(overlay.root, network, files)
                runtime = Runtime(self._area("containers"))
                if not execution.handoff:
                    return await self._run(runtime, container, execution)
                offered = self.helpers.handoff(variant, snapshots, self.work, overlay.root)
                async with offered as binds:
                    container = replace(container, binds=[*binds, *container.binds])
                    return await self._run(runtime, container, execution)

    async def _run(self, runtime: Runtime, container: Container, execution: Execution) -> int:
        request = self.request

        def started(bundle: Path) -> None:
            live = LiveContainer(
                name=request.name,
                image=request.reference.familiar,
                platform=str(execution.platform),
                ran=execution.where,
                arguments=tuple(container.arguments),
                process=self.helpers.process,
                bundle=str(bundle),
                started=timestamp(time.time()),
                stop_signal=_stop_signal(self.variant.config.config.stop_signal),
            )
            describe(self.description, live)

        return await run_in_foreground(
            runtime,
            request.name,
            container,
            interactive=request.interactive,
            group=self.helpers.group,
            on_start=started,
        )

    def _area(self, name: str) -> Path:
        path = self.private / name
        path.mkdir()
        return path

    @asynccontextmanager
    async def _network(self) -> AsyncIterator[Network]:
        asked = self.request.connections
        if asked.network in {"host", "none"}:
            yield "none" if asked.network == "none" else "host"
            return
        reasons: list[str] = []
        networks = Networks(self._area("networks"), reasons.append, asked.published)
        async with networks, networks.joined(keep=False) as network:
            if network == "host" and (asked.network == "private" or asked.published):
                raise _no_network(reasons)
            for reason in reasons:
                self.helpers.say(reason)
            yield network

    def _container(self, root: Path, network: Network, files: Sequence[Bind]) -> Container:
        request, start = self.request, self.variant.config.config
        allowed = request.allowances
        terminal = {"TERM": "xterm"} if request.terminal else {}
        container = Container(
            root=root,
            arguments=_arguments(request, start),
            environment={**terminal, **_variables(start), **request.environment},
            working_directory=request.working_directory or start.working_dir or "/",
            user=resolve_user(root, start.user if request.user is None else request.user),
            binds=[*files, *sorted(request.mounts, key=lambda mount: mount.target)],
            hostname=request.hostname,
            read_only_root=allowed.read_only,
            network=network,
            limits=allowed.limits,
            capabilities=allowed.capabilities,
            terminal=request.terminal,
        )
        if allowed.shared_memory is not None:
            container = replace(container, shared_memory=allowed.shared_memory)
        return _with_init(container) if request.init else container


def _variables(start: ContainerConfig) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in start.env or ())


def _arguments(request: LaunchRequest, start: ContainerConfig) -> Sequence[str]:
    """Docker's rule: another entry point takes nothing of the image's command."""
    if request.entrypoint is not None:
        arguments = (*request.entrypoint, *request.command)
    else:
        arguments = (*(start.entrypoint or ()), *(request.command or start.cmd or ()))
    if not arguments:
        raise InvalidValueError(
            "there is nothing to run",
            why="the image has neither ENTRYPOINT nor CMD, and no command was given",
            next_command="amphora run IMAGE COMMAND",
        )
    return arguments


def _stop_signal(text: str) -> int:
    """STOPSIGNAL, as a name or a number, if it is one that reaches the container; else SIGTERM."""
    passed_on = {text: number for number in PASSED_ON for text in _spellings(number)}
    return passed_on.get(text.upper(), signal.SIGTERM)


def _spellings(number: signal.Signals) -> tuple[str, ...]:
    return (number.name, number.name.removeprefix("SIG"), str(int(number)))


def _with_init(container: Container) -> Container:
    """With a first process that passes signals on and reaps, whatever CPU the rest is for.

    Raises MissingToolError where no such program is installed.
    """
    for name in _INITS:
        with suppress(MissingToolError):
            program = Path(find_tool(name, "tini"))
            return replace(
                container,
                arguments=[_INIT_AT, "--", *container.arguments],
                binds=[*container.binds, Bind(program, _INIT_AT)],
            )
    raise MissingToolError(
        "no program for --init is installed",
        why="neither tini-static nor catatonit is in any directory of PATH",
        next_command="sudo apt-get install tini",
    )


def _no_network(reasons: Sequence[str]) -> ContainerError:
    return ContainerError(
        "the container cannot have a network of its own",
        why=reasons[-1].partition(": ")[2] if reasons else "pasta ended",
        next_command="mend that, or run it with --network host",
    )
