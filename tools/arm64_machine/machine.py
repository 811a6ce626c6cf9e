"""An ARM64 machine that QEMU emulates, whole: CPU, memory, disk and serial console.

https://www.qemu.org/docs/master/system/arm/virt.html
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amphora.core.errors import ToolFailedError
from amphora.system.process import find_tool, run, stream

_EMULATOR, _PACKAGE = "qemu-system-aarch64", "qemu-system-arm"

#: Of the machine itself. Its CPU is that of the first servers of clouds, and so without what
#: costs emulation most (pointer authentication, SVE).
_HARDWARE = (
    *("-machine", "virt", "-accel", "tcg", "-cpu", "neoverse-n1", "-smp", "2", "-m", "3G"),
    *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-serial", "stdio"),
    *("-device", "virtio-rng-pci"),
)

#: For its kernel: the disk, and a console that has nothing on it but what is proven.
_COMMAND_LINE = (
    "root=/dev/nvme0n1 rw rootwait console=ttyAMA0 quiet loglevel=0 "
    "systemd.show_status=no systemd.getty_auto=no systemd.firstboot=no"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A disk's image and a kernel, as files."""

    disk: Path
    kernel: Path

    @property
    def command(self) -> list[str]:
        """What is thrown away in the end need not reach this machine's own disk before."""
        drive = f"if=none,id=disk,format=raw,cache=unsafe,file={self.disk}"
        return [
            # Killed or not: without us there is no machine.
            *(find_tool("setpriv", "util-linux"), "--pdeathsig", "KILL"),
            *(find_tool(_EMULATOR, _PACKAGE), *_HARDWARE),
            *("-drive", drive, "-device", "nvme,drive=disk,serial=disk"),
            *("-kernel", str(self.kernel), "-append", _COMMAND_LINE),
        ]


def emulator() -> str:
    """`QEMU emulator version 7.2.22`, without whose package it is; raises MissingToolError."""
    said = run([find_tool(_EMULATOR, _PACKAGE), "--version"]).decode()
    return said.partition("\n")[0].partition(" (")[0]


async def boot(command: Sequence[str], hear: Callable[[bytes], None], limit: float) -> None:
    """Run a machine until it switches itself off, handing on what its console says.

    After `limit` seconds it is switched off. Raises ToolFailedError, also if QEMU cannot start.
    """
    try:
        async with asyncio.timeout(limit):
            status = await stream(command, hear)
    except TimeoutError:
        raise _failed(f"it did not end within {limit:g} s") from None
    if status != 0:
        raise _failed(f"QEMU exited with status {status}")


def _failed(why: str) -> ToolFailedError:
    return ToolFailedError(
        "the machine did not run to its end", why=why, next_command="make arm64-machine"
    )
