"""Which platforms this worker can run, and how: native, or through which emulator.

Nothing is called supported before a program of the platform has run.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import UnsupportedPlatformError
from amphora.core.platform import Platform
from amphora.emulation import binfmt
from amphora.emulation.emulators import PACKAGE, Emulator, find_emulator
from amphora.emulation.exclusion import marked
from amphora.emulation.formats import ElfFormat, format_of
from amphora.emulation.graft import grafted, handoff_code
from amphora.emulation.probe import runs


class Execution(Struct, frozen=True):
    """How a platform's programs run here; `emulator` is None when the CPU does it.

    `handoff` tells that programs a table names are given to native counterparts.
    """

    platform: Platform
    emulator: str | None = None
    handoff: bool = False

    @property
    def where(self) -> str:
        """One word for tables and logs."""
        return "emulated" if self.emulator else "native"


class Emulation:
    """The worker's emulation: made once, inside the worker's namespace, for its whole life."""

    def __init__(self, *, handoff: bool = False, mark: bytes = b"") -> None:
        """With `handoff`, emulators are registered with handoff in front, where it can be.

        With `mark`, copies of them with that mark are, so that `exclusion` lets them pass.
        """
        self._private = binfmt.mount_private()
        self._mark = mark
        self._handoff = handoff_code() if handoff and self._private else None
        #: Why there is no handoff although it was asked for; empty if there is.
        self.lacks_for_handoff = ""
        if handoff and not self._private:
            self.lacks_for_handoff = "the kernel is older than 6.7, which the helper needs"
        elif handoff and self._handoff is None:
            self.lacks_for_handoff = (
                "the helper is not compiled, or of another version; `make setup` compiles it"
            )
        self._proven: dict[str, Execution] = {}

    def prepare(self, platforms: Iterable[Platform]) -> dict[Platform, Execution]:
        """Make every platform runnable and prove it.

        Raises UnsupportedPlatformError for the first one that cannot be, with the
        command that would change that.
        """
        return {platform: self._prepare_one(platform) for platform in platforms}

    def _prepare_one(self, platform: Platform) -> Execution:
        """One architecture is prepared once; its variants share the emulator."""
        proven = self._proven.get(platform.architecture)
        if proven is None:
            proven = self._prove(platform)
            self._proven[platform.architecture] = proven
        return Execution(platform, proven.emulator, proven.handoff)

    def _prove(self, platform: Platform) -> Execution:
        elf_format = format_of(platform)
        if elf_format is None:
            raise UnsupportedPlatformError(
                f"this machine cannot run {platform}",
                why="no emulator for it exists in QEMU's user mode",
                next_command="leave it out of --platform",
            )
        if self._private:
            return self._prove_privately(platform, elf_format)
        return _prove_with_host(platform, elf_format)

    def _prove_privately(self, platform: Platform, elf_format: ElfFormat) -> Execution:
        if runs(platform):
            return Execution(platform)
        emulator = find_emulator(elf_format)
        if emulator is None:
            raise _no_emulator(platform, elf_format)
        with self._executable(emulator.path) as path:
            binfmt.register(elf_format, path)
        if not runs(platform):
            raise _emulator_fails(platform, emulator)
        return Execution(platform, emulator.name, handoff=self._handoff is not None)

    @property
    def is_private(self) -> bool:
        """Is the table the worker's own? Before Linux 6.7 it is the host's."""
        return self._private

    def _executable(self, emulator: Path) -> AbstractContextManager[Path]:
        """What is registered in an emulator's name."""
        if self._handoff is not None:
            return grafted(emulator, self._handoff)
        return marked(emulator, self._mark) if self._mark else nullcontext(emulator)


def _prove_with_host(platform: Platform, elf_format: ElfFormat) -> Execution:
    """Before Linux 6.7: whatever the host has registered, or its CPU, if it works."""
    if not runs(platform):
        raise _host_does_not(platform)
    # An entry is asked first. 386 on amd64, and arm on many an arm64, need none.
    registered = (binfmt.MOUNT_POINT / elf_format.entry).exists()
    if Platform.host().matches(platform) and not registered:
        return Execution(platform)
    return Execution(platform, f"the host's {elf_format.entry}")


def _host_does_not(platform: Platform) -> UnsupportedPlatformError:
    if not binfmt.MOUNT_POINT.exists():
        return UnsupportedPlatformError(
            f"this machine cannot run {platform}",
            why="its CPU does not, and the kernel's module binfmt_misc is not loaded",
            next_command="sudo modprobe binfmt_misc",
        )
    return UnsupportedPlatformError(
        f"this machine cannot run {platform}",
        why="its kernel is older than 6.7, so that the host's binfmt_misc decides, "
        "and that has no working entry for it",
        next_command=f"sudo apt-get install --reinstall {PACKAGE}",
    )


def _no_emulator(platform: Platform, elf_format: ElfFormat) -> UnsupportedPlatformError:
    return UnsupportedPlatformError(
        f"this machine cannot run {platform}",
        why=f"its CPU does not, and qemu-{elf_format.qemu_cpu}-static is not installed",
        next_command=f"sudo apt-get install {PACKAGE}",
    )


def _emulator_fails(platform: Platform, emulator: Emulator) -> UnsupportedPlatformError:
    return UnsupportedPlatformError(
        f"this machine cannot run {platform}",
        why=f"{emulator.name} is registered but failed to run a three-instruction program",
        next_command=f"sudo apt-get install --reinstall {PACKAGE}",
    )
