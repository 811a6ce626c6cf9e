"""Programs that are known to break emulators, run through the table of the machine itself.

A probe of four instructions proves that an emulator is registered; these prove that it is
good: pipelines of many processes, ldconfig, tar, Go and Node have each been what crashed
first (docs/emulator.md). Runs in the worker, which must not have a table of its own.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.errors import VerificationError
from amphora.core.platform import Platform
from amphora.oci.graph import image_for
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.container import Runtime
from amphora.runtime.identity import resolve_user
from amphora.runtime.mountpoints import make_mount_points
from amphora.runtime.spec import Container
from amphora.system.tasks import in_thread
from amphora.verify.program import find_program

#: What a status above 128 says: the program, or the emulator, died of this signal.
_SIGNALS = {132: "illegal instruction", 134: "abort", 135: "bus error", 139: "segmentation fault"}

#: Seconds; an emulator that hangs would do so for ever.
_TIMEOUT = 120.0

_KEPT_OUTPUT = 4096
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin"


class Canary(Struct, frozen=True):
    """A command; it is only run where the image has the program it `needs`."""

    name: str
    needs: str
    command: tuple[str, ...]


_PIPELINE = (
    "i=0; while [ $i -lt 20 ]; do echo $i; i=$((i+1)); done | sort -n | tail -n 1 | grep -qx 19"
)
CANARIES = (
    Canary("shell pipeline", "sh", ("sh", "-c", _PIPELINE)),
    Canary("ldconfig", "ldconfig", ("ldconfig",)),
    Canary("tar", "tar", ("sh", "-c", "tar -cf - -C / etc | tar -tf - | grep -qx etc/passwd")),
    Canary("perl", "perl", ("perl", "-e", "exit !(join(',', map { $_ * 2 } 1..3) eq '2,4,6')")),
    Canary("python", "python3", ("python3", "-c", "import threading, json; json.dumps({})")),
    Canary("Go (go)", "go", ("go", "version")),
    Canary("Go (gosu)", "gosu", ("gosu", "nobody", "true")),
    Canary("node", "node", ("node", "-e", "new Array(1e5).fill(1).map((x, i) => x * i)")),
)


class CanaryReport(Struct, frozen=True):
    """`result` is "ok", "failed" or "not there"; `why` tells of a failure."""

    platform: Platform
    canary: str
    result: str
    why: str = ""


async def send_canaries(
    store: Store, image: Descriptor, platforms: Sequence[Platform]
) -> list[CanaryReport]:
    """Run all canaries on each platform, one after the other; one report each.

    Raises NotFoundError where the image has no such variant.
    """
    sweep_workspaces(store.root)
    with workspace(store.root) as work:
        runner = _Runner(store, work)
        return [
            report for platform in platforms for report in await runner.run_all(image, platform)
        ]


class _Runner:
    def __init__(self, store: Store, work: Path) -> None:
        self._blobs = store.blobs
        self._snapshots = Snapshots(store.blobs, work)
        self._runtime = Runtime(work)
        self._mount_points = make_mount_points(work / "mount-points")

    async def run_all(self, image: Descriptor, platform: Platform) -> list[CanaryReport]:
        _, manifest, config = image_for(self._blobs, image, platform)
        await in_thread(self._snapshots.unpack, tuple(map(Layer, manifest.layers, config.diff_ids)))
        with self._snapshots.mounted(config.diff_ids, bottom=self._mount_points) as overlay:
            return [await self._run(overlay.root, platform, canary) for canary in CANARIES]

    async def _run(self, root: Path, platform: Platform, canary: Canary) -> CanaryReport:
        environment = {"PATH": _PATH, "HOME": "/root"}
        try:
            find_program(root, [canary.needs], environment, "/")
        except VerificationError:
            return CanaryReport(platform, canary.name, "not there")
        container = Container(
            root=root,
            arguments=canary.command,
            environment=environment,
            working_directory="/",
            user=resolve_user(root, "0:0"),
        )
        output = bytearray()
        try:
            async with asyncio.timeout(_TIMEOUT):
                status = await self._runtime.run(container, output.extend)
        except TimeoutError:
            return CanaryReport(platform, canary.name, "failed", f"hung for {_TIMEOUT:g} s")
        if status == 0:
            return CanaryReport(platform, canary.name, "ok")
        return CanaryReport(platform, canary.name, "failed", _why(status, bytes(output)))


def _why(status: int, output: bytes) -> str:
    said = output[-_KEPT_OUTPUT:].decode(errors="replace").strip().splitlines()[-1:]
    return "; ".join([_SIGNALS.get(status, f"status {status}"), *said])
