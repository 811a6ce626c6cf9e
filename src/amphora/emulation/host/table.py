"""The kernel's table as it stands: entries read, registered, removed, and which one wins.

The kernel puts a new entry in front of the others and takes the first enabled one that
matches, so the *latest* wins (fs/binfmt_misc.c). Its directory lists the newest first as
well, which is how the order is known; a test proves both by running programs.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import EmulatorError
from amphora.emulation.binfmt import MOUNT_POINT
from amphora.emulation.host.entry import Entry, read_entry
from amphora.system import syscalls

#: The two files that are no entries.
_CONTROLS = frozenset({"register", "status"})


class BinfmtTable(Struct, frozen=True):
    """The table that is mounted at a directory."""

    directory: Path = MOUNT_POINT

    @property
    def mounted(self) -> bool:
        return (self.directory / "register").exists()

    @property
    def enabled(self) -> bool:
        """False if somebody switched all entries off at once."""
        return (self.directory / "status").read_text().strip() == "enabled"

    def mount(self) -> None:
        """Mount it if it is not; raises EmulatorError where the kernel has no binfmt_misc."""
        if self.mounted:
            return
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        try:
            syscalls.mount("binfmt_misc", self.directory, "binfmt_misc", flags)
        except OSError as error:
            raise _cannot_mount(error) from error

    def entries(self) -> list[Entry]:
        """All entries, the newest first; none where the table is not mounted."""
        found = []
        if self.mounted:
            for name in os.listdir(self.directory):
                # Somebody else may remove one while we read.
                with suppress(FileNotFoundError):
                    if name not in _CONTROLS:
                        found.append(read_entry(self.directory / name))
        return found

    def takers(self, start: bytes) -> list[Entry]:
        """The enabled entries for a file that starts like this; the first is the one that wins."""
        return [each for each in self.entries() if each.enabled and each.takes(start)]

    def register(self, entry: Entry) -> None:
        """Put an entry in front of all others.

        Raises EmulatorError saying what the kernel said: the interpreter may be missing.
        """
        try:
            (self.directory / "register").write_bytes(entry.line())
        except (OSError, ValueError) as error:
            raise _refused(entry, error) from error

    def remove(self, name: str) -> None:
        """Remove an entry; it may have gone already. Programs it runs go on running."""
        with suppress(FileNotFoundError), open(self.directory / name, "r+b", buffering=0) as file:
            file.write(b"-1")

    def enable(self) -> None:
        """Switch on what somebody switched off for all entries at once."""
        (self.directory / "status").write_text("1")


def _cannot_mount(error: OSError) -> EmulatorError:
    if error.errno in {errno.EPERM, errno.EACCES}:
        return EmulatorError(
            f"{MOUNT_POINT} cannot be mounted",
            why="only root may, and in a container only a privileged one",
            next_command="run it with sudo, or the container with --privileged",
        )
    return EmulatorError(
        "this kernel runs no programs of other CPUs",
        why=f"binfmt_misc cannot be mounted: {os.strerror(error.errno or 0)}",
        next_command="sudo modprobe binfmt_misc",
    )


def _refused(entry: Entry, error: OSError | ValueError) -> EmulatorError:
    why = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
    return EmulatorError(
        f"the kernel does not register {entry.name}",
        why=f"{why} ({entry.interpreter})",
        next_command=f"look at the interpreter: {entry.interpreter} --version",
    )
