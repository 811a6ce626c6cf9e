"""What the steps of a build work with: directories, snapshots, containers, other CPUs."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from amphora.build.context_hashes import ContextHashes
from amphora.build.events import Listener
from amphora.build.reporter import Reporter
from amphora.emulation.support import Emulation
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.container import Runtime
from amphora.runtime.networks import Networks
from amphora.system.cgroup_shared import SharedGroup
from amphora.system.memory import memory_directory


class Workshop(Struct, frozen=True):
    """All of it lasts as long as the build.

    `work` is a directory on the store's disk, `private` one in memory, for what is on no
    disk since it may hold secrets; `slots` are for the steps that may run at once; `hashes`
    knows what was read of directories before.
    """

    store: Store
    work: Path
    private: Path
    snapshots: Snapshots
    runtime: Runtime
    networks: Networks
    emulation: Emulation
    reporter: Reporter
    slots: asyncio.Semaphore
    hashes: ContextHashes

    def of(self, target: str) -> "Workshop":
        """The same for one of several builds, whose steps are told under its name."""
        return replace(self, reporter=self.reporter.of(target))


@contextmanager
def workshop(
    store: Store,
    *,
    handoff: bool,
    jobs: int,
    listener: Listener,
    cgroup: SharedGroup | None = None,
) -> Iterator[Workshop]:
    """Set one up in the worker's namespaces; `jobs` 0 means as many as there are CPUs.

    Containers are in the control group, if there is one.
    What was read of directories is kept in the end, if all went well. Raises DiskFullError.
    """
    sweep_workspaces(store.root)
    reporter = Reporter(listener)
    with workspace(store.root) as work, memory_directory(work / "memory") as private:
        for name in ("networks", "containers"):
            (private / name).mkdir()
        hashes = ContextHashes(store.root)
        yield Workshop(
            store=store,
            work=work,
            private=private,
            snapshots=Snapshots(store.blobs, work),
            # What a container is started with may hold secrets, so it is on no disk.
            runtime=Runtime(private / "containers", group=cgroup),
            networks=Networks(private / "networks", lambda text: reporter.warn("--network", text)),
            emulation=Emulation(handoff=handoff),
            reporter=reporter,
            slots=asyncio.Semaphore(jobs or len(os.sched_getaffinity(0))),
            hashes=hashes,
        )
        hashes.keep()
