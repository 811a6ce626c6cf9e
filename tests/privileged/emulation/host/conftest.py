"""A namespace that plays a host: its own table, an /etc that may be written, packages of Debian.

Since Linux 6.7 a user namespace has its own binfmt_misc, so everything here is the real
thing (kernel, systemd-binfmt, update-binfmts, QEMU) and the real host is not touched.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.emulation.host.change import carry_out
from amphora.emulation.host.machine import Machine
from amphora.emulation.host.persistence import find_persistence
from amphora.emulation.host.plan import plan_install
from amphora.system import syscalls

TABLE = Path("/proc/sys/fs/binfmt_misc")

#: Whose emulators are kept of the packages: they unpack to half a gigabyte.
_KEPT = {"aarch64", "s390x"}
_WANTED = {"trixie": "qemu-user-binfmt", "bookworm": "binfmt-support,qemu-user-static"}


@dataclass
class Host:
    """The host inside: `/run`, `/etc`, `/var/lib` and the table are its own."""

    machine: Machine = field(default_factory=Machine)

    def install(self, *platforms, **wishes):
        """Plan and carry out; returns the actions and the problems, by platform."""
        named = [Platform.parse(each) for each in platforms]
        plan = plan_install(self.machine, named, **wishes)
        outcomes = carry_out(self.machine, plan, find_persistence(self.machine.root))
        return {str(each.step.platform): each.problem or str(each.step.action) for each in outcomes}

    def names(self):
        """The entries for programs, the one that wins first; those of scripts left out."""
        return [each.name for each in self.machine.table.entries() if each.magic[:4] == b"\x7fELF"]

    def has_systemd(self):
        """As if systemd had started this host."""
        Path("/run/systemd/system").mkdir(parents=True)

    def reboot(self, *commands):
        """The table is gone with its last mount; then what the init system would start runs."""
        syscalls.unmount(TABLE)
        self.machine.table.mount()
        assert self.machine.table.entries() == []
        for command in commands:
            subprocess.run([command], check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


@pytest.fixture
def on_host(in_worker):
    """Call a function with a Host; `packages` is a directory like /usr that is laid over it."""

    def call(function, *, packages=None):
        def inside():
            syscalls.mount("none", Path("/run"), "tmpfs")
            for name in ("etc", "upper", "work", "none"):
                Path("/run", name).mkdir()
            shutil.copytree("/etc", "/run/etc", symlinks=True, dirs_exist_ok=True)
            syscalls.mount("/run/etc", Path("/etc"), None, syscalls.MS_BIND)
            syscalls.mount("none", Path("/var/lib"), "tmpfs")
            if packages:
                layers = f"lowerdir={packages}:/usr,upperdir=/run/upper,workdir=/run/work,userxattr"
                syscalls.mount("overlay", Path("/usr"), "overlay", 0, layers)
            else:
                # No package of this machine is to have a say.
                syscalls.mount("/run/none", Path("/usr/lib/binfmt.d"), None, syscalls.MS_BIND)
            host = Host()
            host.machine.table.mount()
            return function(host)

        return in_worker(inside)

    return call


@pytest.fixture(scope="session")
def packages(made_once):
    """/usr of Debian's qemu-user-binfmt ("trixie") and of binfmt-support ("bookworm")."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap: make setup-test")
    directory = made_once("packages", _extract)
    return {release: directory / release for release in _WANTED}


def _extract(directory):
    """Half a gigabyte is fetched; little of it is kept."""
    extract = ("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--format=directory")
    running = [
        subprocess.Popen([*extract, f"--include={names}", release, directory / release])
        for release, names in _WANTED.items()
    ]
    assert [process.wait() for process in running] == [0] * len(running)
    for release in _WANTED:
        _keep_what_is_needed(directory / release, directory / "kept" / release)
    return directory / "kept"


def _keep_what_is_needed(root, kept):
    """What the packages are about; not a C library older or newer than this machine's."""
    for pattern in (
        *(f"usr/bin/qemu-{cpu}" for cpu in _KEPT),
        *(f"usr/bin/qemu-{cpu}-static" for cpu in _KEPT),
        *(f"usr/libexec/qemu-binfmt/{cpu}-binfmt-P" for cpu in _KEPT),
        *(f"usr/lib/binfmt.d/qemu-{cpu}.conf" for cpu in _KEPT),
        *(f"usr/share/binfmts/qemu-{cpu}" for cpu in _KEPT),
        "usr/share/qemu/binfmt.d/*",
        "usr/sbin/update-binfmts",
        "usr/lib/*/libpipeline.so*",
        "lib/systemd/system/binfmt-support.service",
    ):
        for path in root.glob(pattern):
            target = kept / str(path.relative_to(root)).removeprefix("usr/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
