"""The OCI runtime configuration (`config.json`) of a container.

https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
"""

import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from amphora.core.platform import Platform
from amphora.oci.config import DEFAULT_PATH
from amphora.runtime import seccomp

#: What a container calls itself unless it is told otherwise.
HOSTNAME = "amphora"

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

#: What `RUN --security=insecure` has beside them; linux/capability.h.
ALL_CAPABILITIES = (
    *CAPABILITIES,
    *(
        f"CAP_{name}"
        for name in (
            "AUDIT_CONTROL",
            "AUDIT_READ",
            "BLOCK_SUSPEND",
            "BPF",
            "CHECKPOINT_RESTORE",
            "DAC_READ_SEARCH",
            "IPC_LOCK",
            "IPC_OWNER",
            "LEASE",
            "LINUX_IMMUTABLE",
            "MAC_ADMIN",
            "MAC_OVERRIDE",
            "NET_ADMIN",
            "NET_BROADCAST",
            "PERFMON",
            "SYSLOG",
            "SYS_ADMIN",
            "SYS_BOOT",
            "SYS_MODULE",
            "SYS_NICE",
            "SYS_PACCT",
            "SYS_PTRACE",
            "SYS_RAWIO",
            "SYS_RESOURCE",
            "SYS_TIME",
            "SYS_TTY_CONFIG",
            "WAKE_ALARM",
        )
    ),
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


class User(Struct, frozen=True):
    """Numeric identity of a container's process, and where it is at home."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


class Bind(Struct, frozen=True):
    """A file or directory of the worker's shown inside the container, where it gives no rights.

    With `follows`, what the worker mounts below it later is seen inside as well; for that
    the source must be a shared mount.
    """

    source: Path
    target: str
    read_only: bool = True
    follows: bool = False


class Memory(Struct, frozen=True):
    """An empty directory in memory; `size` is the most bytes it takes."""

    target: str
    size: int | None = None
    read_only: bool = False
    mode: int = 0o1777


#: The host's network, one of nothing but loopback, or that of a namespace, as a file.
Network: TypeAlias = Literal["host", "none"] | Path


class Limit(Struct, frozen=True):
    """A resource limit by its name in setrlimit(2), such as RLIMIT_NOFILE."""

    name: str
    soft: int
    hard: int


class Container(Struct, frozen=True):
    """What to run, where and as whom. `root` is a mounted root file system.

    `insecure` leaves a process all that the worker itself may do: every capability, every
    system call, all of /proc and /sys. `shared_memory` is the size of /dev/shm in bytes.
    With a `terminal` its input and output are one that whoever starts it is handed.
    """

    root: Path
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: User = User()
    binds: Sequence[Bind | Memory] = ()
    hostname: str = HOSTNAME
    read_only_root: bool = False
    network: Network = "host"
    insecure: bool = False
    shared_memory: int = 64 << 20
    limits: Sequence[Limit] = ()
    capabilities: Sequence[str] = CAPABILITIES
    terminal: bool = False


def runtime_config(container: Container) -> dict[str, Any]:
    """The whole `config.json` of a container."""
    capabilities = list(ALL_CAPABILITIES if container.insecure else container.capabilities)
    keeps = capabilities if container.user.uid == 0 else []
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(container.root), "readonly": container.read_only_root},
        "hostname": container.hostname,
        "process": {
            "terminal": container.terminal,
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
            "rlimits": _limits(container),
        },
        "mounts": [*_system_mounts(container), *map(_mount_of, container.binds)],
        "linux": {
            "namespaces": [
                *({"type": kind} for kind in ("pid", "ipc", "uts", "mount")),
                *_network_namespace(container.network),
            ],
            "rootfsPropagation": "rslave",
            **({} if container.insecure else _confinement(capabilities)),
        },
    }


def _confinement(capabilities: Sequence[str]) -> dict[str, Any]:
    return {
        "maskedPaths": list(_MASKED),
        "readonlyPaths": list(_READ_ONLY),
        "seccomp": seccomp.profile(Platform.host().architecture, capabilities),
    }


def _network_namespace(network: Network) -> list[dict[str, str]]:
    """crun makes a new one, in which loopback is up, if it is given none."""
    if network == "host":
        return []
    return [{"type": "network"} | ({} if network == "none" else {"path": str(network)})]


def _environment(container: Container) -> dict[str, str]:
    """Docker's rule: PATH, HOME and HOSTNAME are always there; the image's values win."""
    user = container.user
    defaults = {"PATH": DEFAULT_PATH, "HOSTNAME": container.hostname, "HOME": user.home}
    return {**defaults, **container.environment}


def _limits(container: Container) -> list[dict[str, Any]]:
    """As many open files as we may have ourselves, 1024 until a program asks for more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = Limit("RLIMIT_NOFILE", min(1024, hard), hard)
    chosen = {limit.name: limit for limit in (files, *container.limits)}
    return [
        {"type": limit.name, "soft": limit.soft, "hard": limit.hard} for limit in chosen.values()
    ]


def _mount(target: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


def _system_mounts(container: Container) -> list[dict[str, Any]]:
    size = f"size={container.shared_memory}"
    system = _hosts_sys() if container.network == "host" else _own_sys()
    return [
        _mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"
        ),
        _mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", size),  # noqa: S108
        _mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        *system,
    ]


def _hosts_sys() -> list[dict[str, Any]]:
    """On the host's network a sysfs of our own cannot be mounted.

    The host's is shown instead, read-only with all that is mounted in it (cgroups, tracing).
    """
    return [_shown_as_it_is("/sys")]


def _own_sys() -> list[dict[str, Any]]:
    """One that shows the container's own network, and no other's, in /sys/class/net."""
    own = _mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro")
    return [own, _shown_as_it_is("/sys/fs/cgroup")]


def _shown_as_it_is(place: str) -> dict[str, Any]:
    options = ["rbind", "rnosuid", "rnoexec", "rnodev", "rro"]
    return {"destination": place, "type": "bind", "source": place, "options": options}


def _mount_of(what: Bind | Memory) -> dict[str, Any]:
    if isinstance(what, Bind):
        return _bind_mount(what)
    size = [] if what.size is None else [f"size={what.size}"]
    access = "ro" if what.read_only else "rw"
    return _mount(what.target, "tmpfs", "nosuid", "nodev", f"mode={what.mode:o}", access, *size)


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
