"""From an image to a container and its end.

The container's root is an overlay on the image's snapshots, thrown away at the end: the
image's files are never changed. Runs inside the worker's namespaces.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
)
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.errors import ContainerError
from amphora.emulation.crash import Witness, crash_sign, describe_crash, fault
from amphora.emulation.support import Emulation, Execution
from amphora.launch.assembly import assemble, stop_signal
from amphora.launch.image import Source, Variant, find_variant
from amphora.launch.keeping import Keeper, keeping
from amphora.launch.live import LiveContainer, describe, name_taken, tell_status
from amphora.launch.request import LaunchRequest
from amphora.launch.volumes import Volumes
from amphora.oci.config import timestamp
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.attached import OWN
from amphora.runtime.container import Runtime
from amphora.runtime.crash import Crash
from amphora.runtime.foreground import run_in_foreground
from amphora.runtime.journal import journalled
from amphora.runtime.mountpoints import make_mount_points
from amphora.runtime.names import leads_to_host, name_files
from amphora.runtime.networks import Networks
from amphora.runtime.spec import Bind, Container, Network
from amphora.system.cgroups import Group
from amphora.system.memory import memory_directory
from amphora.system.process import Streams
from amphora.system.tasks import in_thread


class Handoff(Protocol):
    """What has the programs of a mounted root handed off: binds for its container."""

    def __call__(
        self, variant: Variant, snapshots: Snapshots, work: Path, root: Path
    ) -> AbstractAsyncContextManager[Sequence[Bind]]: ...


class Helpers(Struct, frozen=True):
    """What a launch needs of others: where images come from, who is told what.

    `process` is the PID of the amphora outside of the worker; `group` limits the container;
    `begun` is told when it runs.
    """

    source: Source
    say: Callable[[str], None]
    handoff: Handoff
    process: int
    group: Group | None = None
    begun: Callable[[], None] = lambda: None


async def launch(request: LaunchRequest, store: Store, helpers: Helpers) -> int:
    """Run a container to its end; returns its exit status.

    Raises NotFoundError, UnsupportedPlatformError, InvalidValueError, ContainerError and what
    `find_variant` and `run_in_foreground` raise.
    """
    sweep_workspaces(store.root)
    variant = await find_variant(request, store, helpers.source, helpers.say)
    with (
        name_taken(store.root, request.name) as description,
        _kept(request, store) as keeper,
        workspace(store.root) as work,
        # What a container is started with may hold secrets, so it is on no disk.
        memory_directory(work / "private") as private,
    ):
        launching = _Launch(request, variant, helpers, store, work, private, description, keeper)
        status = await launching.run()
        if keeper is not None:
            keeper.ended(status)
        tell_status(description, status)
        return status


def _kept(request: LaunchRequest, store: Store) -> AbstractContextManager[Keeper | None]:
    if not request.background:
        return nullcontext()
    return keeping(store.root, request.name, temporary=request.temporary)


class _Launch(Struct, frozen=True):
    request: LaunchRequest
    variant: Variant
    helpers: Helpers
    store: Store
    work: Path
    private: Path
    description: Path
    keeper: Keeper | None

    async def run(self) -> int:
        variant, request = self.variant, self.request
        emulation = Emulation(handoff=request.handoff)
        if emulation.lacks_for_handoff:
            self.helpers.say(f"nothing is handed off: {emulation.lacks_for_handoff}")
        execution = emulation.prepare([variant.config.platform])[variant.config.platform]
        snapshots = Snapshots(self.store.blobs, self.work)
        await in_thread(snapshots.unpack, variant.layers)
        bottom = make_mount_points(self.work / "mount-points")
        volumes = Volumes(self.store.root)
        with (
            snapshots.mounted(variant.config.diff_ids, bottom=bottom) as overlay,
            volumes.shown(request.mounts, overlay.root) as mounts,
        ):
            mounts.sort(key=lambda mount: mount.target)
            async with self._network() as network:
                files = name_files(
                    network,
                    self._area("names"),
                    request.connections.hosts,
                    hostname=request.hostname,
                )
                start = variant.config.config
                container = assemble(request, start, overlay.root, network, [*files, *mounts])
                if not execution.handoff:
                    return await self._run(container, execution)
                offered = self.helpers.handoff(variant, snapshots, self.work, overlay.root)
                async with offered as binds:
                    container = replace(container, binds=[*binds, *container.binds])
                    return await self._run(container, execution)

    async def _run(self, container: Container, execution: Execution) -> int:
        crashes: list[Crash] = []
        async with self._ends() as ends:
            status = await run_in_foreground(
                Runtime(self._area("containers")),
                self.request.name,
                container,
                # A terminal in the background is one that nobody types at.
                interactive=self.request.interactive
                and not (self.keeper and self.request.terminal),
                ends=ends,
                group=self.helpers.group,
                on_start=lambda bundle: self._tell(bundle, container, execution),
                on_crash=crashes.append,
            )
        self._explain(status, execution, crashes)
        return status

    def _tell(self, bundle: Path, container: Container, execution: Execution) -> None:
        """Others may know of it: it runs."""
        live = LiveContainer(
            name=self.request.name,
            image=self.request.reference.familiar,
            platform=str(execution.platform),
            ran=execution.where,
            arguments=tuple(container.arguments),
            process=self.helpers.process,
            bundle=str(bundle),
            started=timestamp(time.time()),
            stop_signal=stop_signal(self.variant.config.config.stop_signal),
        )
        describe(self.description, live)
        if self.keeper is not None:
            self.keeper.began(live)
        self.helpers.begun()

    def _ends(self) -> AbstractAsyncContextManager[Streams]:
        return journalled(self.keeper.directory) if self.keeper else nullcontext(OWN)

    def _explain(self, status: int, execution: Execution, crashes: Sequence[Crash]) -> None:
        """Say what is known of a crash in the emulator."""
        sign = fault(crashes[0].number) if crashes else crash_sign(status, Witness())
        if execution.emulator and sign:
            program = crashes[0].program if crashes else ""
            told = describe_crash(sign, execution.emulator, execution.platform, program)
            self.helpers.say("; ".join([*told, "see amphora emulator verify --deep"]))

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
        async with (
            networks,
            networks.joined(keep=False, to_host=leads_to_host(asked.hosts)) as network,
        ):
            if network == "host" and (asked.network == "private" or asked.published):
                raise _no_network(reasons)
            for reason in reasons:
                self.helpers.say(reason)
            yield network


def _no_network(reasons: Sequence[str]) -> ContainerError:
    return ContainerError(
        "the container cannot have a network of its own",
        why=reasons[-1].partition(": ")[2] if reasons else "pasta ended",
        next_command="mend that, or run it with --network host",
    )
