"""The emulators installed on this machine: QEMU's user mode, statically linked."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from amphora.emulation.formats import ElfFormat
from amphora.system.process import run

#: Debian's package of emulators that work across chroot and pivot_root.
PACKAGE = "qemu-user-static"


@dataclass(frozen=True, slots=True)
class Emulator:
    """A program that runs another CPU's programs, and what it calls its version."""

    path: Path
    version: str

    @property
    def name(self) -> str:
        """For people and logs: `qemu-aarch64 7.2.22`."""
        return f"{self.path.name.removesuffix('-static')} {self.version}"


def find_emulator(elf_format: ElfFormat) -> Emulator | None:
    """The static QEMU for a format, or None if it is not installed."""
    path = shutil.which(f"qemu-{elf_format.qemu_cpu}-static")
    if path is None:
        return None
    first_line = run([path, "--version"]).decode(errors="replace").split("\n", 1)[0]
    match = re.search(r"version (\S+)", first_line)
    return Emulator(Path(path), match[1] if match else "of unknown version")
