"""Why a worker's namespaces cannot be had, and what would change that."""

import errno
from pathlib import Path

from amphora.core.errors import NamespaceError
from amphora.system.users import user_name


def denied(error: OSError) -> NamespaceError:
    """The kernel refused unshare(2)."""
    if error.errno in {errno.ENOSPC, errno.EUSERS}:
        return NamespaceError(
            "no more user namespaces can be made",
            why="the limit user.max_user_namespaces is reached, or is 0",
            next_command="sudo sysctl -w user.max_user_namespaces=16384",
        )
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        return NamespaceError(
            f"user {user_name()} may not create a user namespace",
            why="AppArmor restricts unprivileged user namespaces on this system",
            next_command="sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    return NamespaceError(
        f"user {user_name()} may not create a user namespace",
        why=f"{error.strerror}; inside a container its seccomp profile usually forbids it",
        next_command="leave the container, or sudo sysctl -w user.max_user_namespaces=16384",
    )


def mounts_refused(message: str) -> NamespaceError:
    """The kernel refused the mounts that a worker begins with."""
    return NamespaceError(
        "the worker could not mount a /proc of its own",
        why=f"{message}; inside a container whose /proc is masked the kernel forbids it",
        next_command="leave the container, or start it with --privileged",
    )


def map_refused(message: str) -> NamespaceError:
    """The ID maps could not be written."""
    return NamespaceError(
        "the user namespace could not be given its user and group IDs",
        why=message,
        next_command="compare /etc/subuid and /etc/subgid with `id`; "
        "newuidmap and newgidmap must be set-uid root",
    )
