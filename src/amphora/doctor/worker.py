"""Proofs from inside the worker: what a build or a run does there, done once in small.

Reaching this code is the first of them: the namespaces are there, with their ID maps.
"""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

from amphora.core.errors import AmphoraError
from amphora.core.platform import Platform
from amphora.doctor.check import Check, failed, ok, problem, refused, warning
from amphora.doctor.emulation import check_emulators
from amphora.emulation.probe import WITNESS, program
from amphora.emulation.support import Emulation
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import workspace
from amphora.runtime.container import Runtime
from amphora.runtime.mountpoints import make_mount_points
from amphora.runtime.networks import Networks
from amphora.runtime.spec import Container
from amphora.system.memory import memory_directory
from amphora.system.process import tool_version

_PROBE = "probe"
_OVERLAY_COMMAND = "choose a store on ext4, xfs or btrfs: export AMPHORA_STORE=DIRECTORY"


async def prove(store: Store | None) -> AsyncIterator[Check]:
    """Every proof that needs the worker, one after the other; without a store not all of them."""
    yield ok("worker", "a user, a mount and a PID namespace of our own were entered")
    emulation = Emulation()
    yield _table(emulation)
    for check in check_emulators(emulation):
        yield check
    if store is None:
        yield warning("containers", "not tried, for want of a store", "mend the store first")
        return
    with workspace(store.root) as work:
        try:
            async for check in _containers(store, work, emulation):
                yield check
        except AmphoraError as error:
            yield failed("containers", error)
        except OSError as error:
            yield refused("overlay", error, _OVERLAY_COMMAND)
        yield await _network(work)


def _table(emulation: Emulation) -> Check:
    name = "binfmt_misc of our own"
    if emulation.is_private:
        return ok(name, "mounted, for the worker alone: the machine's is not touched")
    seen = "the kernel gives the worker none: the machine's own entries are used"
    return warning(name, seen, "sudo amphora emulator install all")


async def _containers(store: Store, work: Path, emulation: Emulation) -> AsyncIterator[Check]:
    """An overlay, and in it a container for this CPU, then for the other one of the two."""
    host = Platform.host()
    for platform in (host, _counterpart(host)):
        bottom = _root(work / platform.architecture, platform)
        with Snapshots(store.blobs, work).stacked([bottom], lambda _: None) as overlay:
            if platform == host:
                yield _changes(overlay.root, overlay.upper)
            if _runs(emulation, platform):
                yield await _run(work / "containers", overlay.root, platform)


def _runs(emulation: Emulation, platform: Platform) -> bool:
    try:
        emulation.prepare([platform])
    except (AmphoraError, OSError):
        return False  # `check_emulators` has told.
    return True


def _counterpart(host: Platform) -> Platform:
    return Platform.parse("linux/amd64" if host.architecture == "arm64" else "linux/arm64")


def _root(directory: Path, platform: Platform) -> Path:
    """A root file system of one program, and a file to be removed from it."""
    make_mount_points(directory)
    (directory / _PROBE).write_bytes(program(platform.architecture))
    (directory / _PROBE).chmod(0o755)
    (directory / "superfluous").touch()
    return directory


def _changes(root: Path, upper: Path) -> Check:
    """Write, rename a directory and remove a file of a lower layer: what RUN does all the time."""
    (root / "new").mkdir()
    (root / "new/file").write_text("new")
    (root / "new").rename(root / "renamed")
    (root / "superfluous").unlink()
    whiteout = (upper / "superfluous").lstat()
    if not stat.S_ISCHR(whiteout.st_mode) or not (upper / "renamed/file").is_file():
        return problem("overlay", "changes are not where they should be", _OVERLAY_COMMAND)
    return ok("overlay", "mounted on the store; a file was written, one of a lower layer removed")


async def _run(state: Path, root: Path, platform: Platform) -> Check:
    """crun, with all of docker's confinement, on a program that ends with the witness."""
    name = f"container for {platform}"
    state.mkdir(exist_ok=True)
    output = bytearray()
    container = Container(root=root, arguments=[f"/{_PROBE}"] * WITNESS, network="none")
    status = await Runtime(state).run(container, output.extend)
    if status == WITNESS:
        return ok(name, f"crun {tool_version('crun')} ran a program of it, confined as by docker")
    said = output.decode(errors="replace").strip().splitlines()[-1:]
    seen = "; ".join([f"crun ended with status {status}", *said])
    return problem(name, seen, "sudo apt-get install --reinstall crun")


async def _network(work: Path) -> Check:
    """A network namespace with a way out, as each RUN has one."""
    name, reasons = "network of a container", list[str]()
    with memory_directory(work / "networks") as area:
        networks = Networks(area, reasons.append)
        async with networks, networks.joined(keep=False) as network:
            if network != "host":
                return ok(name, "pasta gave one of its own a way out")
    reason = reasons[-1].partition(": ")[2]
    return warning(name, f"containers use the host's: {reason}", _network_command(reason))


def _network_command(reason: str) -> str:
    if "not installed" in reason:
        return "sudo apt-get install passt"
    if "name servers" in reason:
        return "name a server in /etc/resolv.conf that does not listen on loopback"
    device = Path("/dev/net/tun")
    return "sudo chmod 666 /dev/net/tun" if device.exists() else "sudo modprobe tun"
