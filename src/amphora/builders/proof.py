"""What a builder promises, done once in small: a store, a container, every platform.

Reaching this code is the first proof: the worker's namespaces are there.
"""

import tempfile
from pathlib import Path

from amphora.builders.builder import Builder
from amphora.core.errors import ToolFailedError
from amphora.core.platform import Platform
from amphora.emulation.probe import WITNESS, program
from amphora.emulation.support import Emulation
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import workspace
from amphora.runtime.container import Runtime
from amphora.runtime.mountpoints import make_mount_points
from amphora.runtime.spec import Container
from amphora.system.cgroup_shared import SharedGroup

_PROBE = "probe"


async def prove(builder: Builder, group: SharedGroup | None) -> None:
    """Make its store and run a program of each platform in a container, in its control group.

    Raises UnsupportedPlatformError, MissingToolError, ToolFailedError and what a store raises.
    """
    platforms = builder.platforms or (Platform.host(),)
    Emulation().prepare(platforms)
    store = Store(builder.store)
    with store.using(), workspace(store.root) as work:
        runtime = Runtime(work / "containers", group=group)
        (work / "containers").mkdir()
        for platform in platforms:
            bottom = _root(Path(tempfile.mkdtemp(dir=work)), platform)
            with Snapshots(store.blobs, work).stacked([bottom], lambda _: None) as overlay:
                await _run(runtime, overlay.root, platform)


def _root(directory: Path, platform: Platform) -> Path:
    """A root file system of one program."""
    make_mount_points(directory)
    (directory / _PROBE).write_bytes(program(platform.architecture))
    (directory / _PROBE).chmod(0o755)
    return directory


async def _run(runtime: Runtime, root: Path, platform: Platform) -> None:
    output = bytearray()
    container = Container(root=root, arguments=[f"/{_PROBE}"] * WITNESS, network="none")
    status = await runtime.run(container, output.extend)
    if status != WITNESS:
        said = output.decode(errors="replace").strip().splitlines()[-1:]
        raise ToolFailedError(
            f"no container for {platform} can be run",
            why="; ".join([f"crun ended with status {status}", *said]),
            next_command="amphora doctor",
        )
