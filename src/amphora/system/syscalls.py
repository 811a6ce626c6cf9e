"""The system calls that Python does not offer, as thin functions.

Each raises OSError that names the call and what it was asked for.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000

MNT_DETACH = 0x2
UMOUNT_NOFOLLOW = 0x8

_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move the calling process (single-threaded) into new namespaces; see unshare(2)."""
    _call(_libc.unshare, f"unshare({flags:#x})", flags)


def setns(descriptor: int, kind: int) -> None:
    """Move the calling process into a namespace of this kind; see setns(2)."""
    _call(_libc.setns, f"setns({kind:#x})", descriptor, kind)


def mount(
    source: str, target: Path, filesystem: str | None, flags: int = 0, options: str | None = None
) -> None:
    """See mount(2)."""
    description = f"mount({source}, {target}, {filesystem}, {options})"
    arguments = (os.fsencode(source), os.fsencode(target), _encode(filesystem))
    _call(_libc.mount, description, *arguments, ctypes.c_ulong(flags), _encode(options))


def unmount(target: Path, flags: int = 0) -> None:
    """See umount2(2); a symbolic link is never followed."""
    _call(_libc.umount2, f"umount2({target})", os.fsencode(target), flags | UMOUNT_NOFOLLOW)


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent dies; see prctl(2)."""
    description = f"prctl(PR_SET_PDEATHSIG, {signal_number})"
    _call(_libc.prctl, description, _PR_SET_PDEATHSIG, ctypes.c_ulong(signal_number), 0, 0, 0)


def sync_filesystem(descriptor: int) -> None:
    """Write everything of the file system that an open file is on to disk; see syncfs(2)."""
    _call(_libc.syncfs, f"syncfs({descriptor})", descriptor)


def _encode(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _call(function: Callable[..., int], description: str, *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{description}: {os.strerror(number)}")
