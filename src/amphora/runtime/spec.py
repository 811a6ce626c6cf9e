"""The OCI runtime configuration (`config.json`) of a container.

https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
"""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amphora.core.platform import Platform
from amphora.oci.config import DEFAULT_PATH
from amphora.runtime import seccomp

#: What docker leaves to root in a container.
CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)

#: Parts of /proc and /sys that tell about, or change, the host.
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class User:
    """Numeric identity of a container's process, and where it is at home."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the worker's shown inside the container, where it gives no rights.

    With `follows`, what the worker mounts below it later is seen inside as well; for that
    the source must be a shared mount.
    """

    source: Path
    target: str
    read_only: bool = True
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """What to run, where and as whom. `root` is a mounted root file system."""

    root: Path
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: User = User()
    binds: Sequence[Bind] = ()
    hostname: str = "amphora"
    read_only_root: bool = False


def runtime_config(container: Container) -> dict[str, Any]:
    """The whole `config.json`, for a container on the host's network."""
    capabilities = list(CAPABILITIES)
    keeps = capabilities if container.user.uid == 0 else []
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(container.root), "readonly": container.read_only_root},
        "hostname": container.hostname,
        "process": {
            "terminal": False,
            "user": {
                "uid": container.user.uid,
                "gid": container.user.gid,
                "additionalGids": list(container.user.groups),
                "umask": 0o022,
            },
            "args": list(container.arguments),
            "env": [f"{name}={value}" for name, value in _environment(container).items()],
            "cwd": container.working_directory,
            "capabilities": {
                "bounding": capabilities,
                "effective": keeps,
                "permitted": keeps,
            },
            "rlimits": [_open_files_limit()],
        },
        "mounts": [*_SYSTEM_MOUNTS, *map(_bind_mount, container.binds)],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "rootfsPropagation": "rslave",
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
            "seccomp": seccomp.profile(Platform.host().architecture),
        },
    }


def _environment(container: Container) -> dict[str, str]:
    """Docker's rule: PATH, HOME and HOSTNAME are always there; the image's values win."""
    user = container.user
    defaults = {"PATH": DEFAULT_PATH, "HOSTNAME": container.hostname, "HOME": user.home}
    return {**defaults, **container.environment}


def _open_files_limit() -> dict[str, Any]:
    """As many open files as we may have ourselves; 1024 until a program asks for more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {"type": "RLIMIT_NOFILE", "soft": min(1024, hard), "hard": hard}


def _mount(target: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


_SYSTEM_MOUNTS = (
    _mount("/proc", "proc", "nosuid", "noexec", "nodev"),
    _mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
    _mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),  # noqa: S108
    _mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    # On the host's network a sysfs of our own cannot be mounted; the host's is shown instead,
    # read-only with all that is mounted in it (cgroups, tracing).
    {
        "destination": "/sys",
        "type": "bind",
        "source": "/sys",
        "options": ["rbind", "rnosuid", "rnoexec", "rnodev", "rro"],
    },
)


def _bind_mount(bind: Bind) -> dict[str, Any]:
    # crun sets recursive attributes on directories only; below a file there is nothing anyway.
    read_only = "rro" if bind.source.is_dir() else "ro"
    propagation = "rslave" if bind.follows else "rprivate"
    options = ["rbind", propagation, "nosuid", "nodev", read_only if bind.read_only else "rw"]
    return {
        "destination": bind.target,
        "type": "bind",
        "source": str(bind.source),
        "options": options,
    }
