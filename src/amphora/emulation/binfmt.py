"""The kernel's table of foreign executables, binfmt_misc: an instance of our own.

Since Linux 6.7 a user namespace may mount its own. The host's table is neither
used nor touched, and ours ends with the namespace.
https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from pathlib import Path

from amphora.emulation.formats import ElfFormat
from amphora.system import syscalls

#: Where the kernel offers the directory, and where programs such as mmdebstrap look.
MOUNT_POINT = Path("/proc/sys/fs/binfmt_misc")

#: F: opened now, so it is found from inside any root; C: set-uid programs keep their
#: meaning (within our namespace), which implies O: the program arrives as an open file;
#: P: argv[0] is passed on as it was.
FLAGS = "FPC"


def mount_private() -> bool:
    """Mount an instance for this user namespace; False where the kernel will not.

    It is too old, or has the module but not loaded it.

    For the namespace the host's entries are gone as soon as this succeeds.
    """
    try:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("binfmt_misc", MOUNT_POINT, "binfmt_misc", flags)
    except OSError:
        return False
    return True


def register(elf_format: ElfFormat, interpreter: Path, flags: str = FLAGS) -> None:
    """Have the kernel run programs of a format with an interpreter.

    Raises OSError, as the kernel gives it, for example when the entry exists.
    """
    line = registration(elf_format, interpreter, flags)
    (MOUNT_POINT / "register").write_bytes(line)


def unregister(elf_format: ElfFormat) -> None:
    """Take a format back; raises OSError if it is not registered."""
    (MOUNT_POINT / elf_format.entry).write_bytes(b"-1")


def registration(elf_format: ElfFormat, interpreter: Path, flags: str = FLAGS) -> bytes:
    """The line the kernel's `register` file takes."""
    fields = (elf_format.entry.encode(), b"M", b"", escaped(elf_format.magic))
    return b":" + b":".join((*fields, escaped(elf_format.mask), bytes(interpreter), flags.encode()))


def escaped(content: bytes) -> bytes:
    """Bytes as `\\xHH`, the spelling in which the kernel takes every one of them."""
    return b"".join(b"\\x%02x" % byte for byte in content)
