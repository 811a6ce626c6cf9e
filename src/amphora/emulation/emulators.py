"""The emulators installed on this machine: QEMU's user mode, statically linked."""

import re
import shutil
from pathlib import Path

from msgspec import Struct

from amphora.emulation.formats import ElfFormat
from amphora.system.elf import read_dynamics
from amphora.system.process import run

#: Debian's package of emulators that work across chroot and pivot_root.
PACKAGE = "qemu-user-static"


class Emulator(Struct, frozen=True):
    """A program that runs another CPU's programs, and what it calls its version."""

    path: Path
    version: str

    @property
    def name(self) -> str:
        """For people and logs: `qemu-aarch64 7.2.22`."""
        return f"{self.path.name.removesuffix('-static')} {self.version}"


def find_emulator(elf_format: ElfFormat) -> Emulator | None:
    """The static QEMU for a format, or None if it is not installed.

    Its name tells that it is static until Debian 12; since Debian 13 plain names do too.
    """
    path = shutil.which(f"qemu-{elf_format.qemu_cpu}-static")
    if path is None:
        path = shutil.which(f"qemu-{elf_format.qemu_cpu}")
        if path is None or not is_static(Path(path)):
            return None
    return Emulator(Path(path), version_of(Path(path)))


def version_of(path: Path) -> str:
    """What an emulator calls its version; raises ToolFailedError if it does not run."""
    first_line = run([str(path), "--version"]).decode(errors="replace").split("\n", 1)[0]
    match = re.search(r"version v?([0-9]\S*)", first_line)
    return match[1] if match else "of unknown version"


def is_static(path: Path) -> bool:
    """Does it need no loader? Only then can it start where nothing but itself is there."""
    dynamics = read_dynamics(path)
    return dynamics is not None and not dynamics.interpreter
