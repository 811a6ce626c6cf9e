"""Emulation for real: every architecture proves itself, and every refusal is explained."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from amphora.core.errors import UnsupportedPlatformError
from amphora.core.platform import Platform
from amphora.emulation import binfmt
from amphora.emulation.emulators import find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.probe import WITNESS, program, runs
from amphora.emulation.support import Emulation
from amphora.system import syscalls

pytestmark = pytest.mark.privileged

HOST = Platform.host()
FOREIGN = next(Platform.parse(name) for name in ("arm64", "amd64") if name != HOST.architecture)
#: A CPU that no other runs natively, whichever this one is.
ALIEN = Platform.parse("s390x")


def prove(*platforms):
    """What a worker's emulation says; a refusal as the three sentences of its error."""
    try:
        prepared = Emulation().prepare(platforms)
    except UnsupportedPlatformError as error:
        return error.what, error.why, error.next_command
    return [(str(execution.platform), execution.where) for execution in prepared.values()]


def on_a_host_without_entries():
    """This namespace has a table of its own, so that what the machine's has does not count."""
    assert binfmt.mount_private()
    empty_directory_over_sysctls()


def empty_directory_over_sysctls():
    syscalls.mount("none", Path("/proc/sys/fs"), "tmpfs")


def test_every_architecture_proves_itself_by_running(in_worker):
    platforms = [Platform.parse(architecture) for architecture in FORMATS]
    supported = [
        platform
        for platform in platforms
        if platform == HOST
        or shutil.which(f"qemu-{FORMATS[platform.architecture].qemu_cpu}-static")
    ]

    def inside():
        prepared = Emulation().prepare(supported)
        return {
            str(one.platform): (one.where, one.emulator, runs(one.platform))
            for one in prepared.values()
        }

    proven = in_worker(inside)
    assert proven.pop(str(HOST)) == ("native", None, True)
    assert str(FOREIGN) in proven
    for platform, (where, emulator, ran) in proven.items():
        assert ran, platform
        assert where == ("emulated" if emulator else "native")
        if emulator:
            assert emulator.startswith(
                f"qemu-{FORMATS[Platform.parse(platform).architecture].qemu_cpu} "
            )
            assert emulator.split()[1][0].isdigit()
    assert proven[str(ALIEN)][0] == "emulated"


def test_variants_of_an_architecture_share_its_emulator(in_worker):
    platforms = [Platform.parse(text) for text in ("arm/v5", "arm/v6", "arm/v7", str(FOREIGN))]
    proven = in_worker(lambda: prove(*platforms))
    assert [platform for platform, _ in proven] == list(map(str, platforms))
    assert len({where for platform, where in proven if "/arm/" in platform}) == 1


def test_the_table_of_the_host_does_not_change(in_worker):
    def table():
        return sorted(os.listdir(binfmt.MOUNT_POINT)), Path("/proc/mounts").read_text()

    before = table()
    entries = in_worker(lambda: prove(ALIEN) and os.listdir(binfmt.MOUNT_POINT))
    assert sorted(entries) == sorted(["register", "status", FORMATS["s390x"].entry])
    assert table() == before
    assert not runs(ALIEN) or FORMATS["s390x"].entry in before[0]


def test_programs_see_their_own_name_and_work_in_another_root(in_worker, busybox_root):
    """F: the emulator is open already, nothing of it is in that root. P: argv[0] is kept."""
    root = busybox_root(FOREIGN)

    def inside():
        prove(FOREIGN)
        # Busybox is the program that argv[0] says.
        listing = subprocess.run(
            ["sh", "-c", "uname -m; ls /"],
            executable="/bin/busybox",
            preexec_fn=lambda: os.chroot(root),
            cwd="/",
            capture_output=True,
            check=True,
        )
        return listing.stdout.decode().split()

    machine, *files = in_worker(inside)
    assert Platform.parse(machine) == FOREIGN
    assert files == sorted(path.name for path in root.iterdir())


#: In place of exit(argc), on s390x: svc geteuid; svc exit, which returns what that said.
EXIT_WITH_USER = program("s390x").replace(
    bytes.fromhex("e320f0000004 0a01"), bytes.fromhex("0ac9 0a01 0700 0700")
)


@pytest.mark.parametrize(("mode", "user"), [(0o755, 77), (0o4755, 0)])
def test_set_uid_programs_keep_their_meaning(in_worker, mode, user):
    """C: the credentials are those of the program, not of the emulator."""

    def inside():
        prove(ALIEN)
        syscalls.mount("none", Path("/run"), "tmpfs")
        path = Path("/run/program")
        path.write_bytes(EXIT_WITH_USER)
        path.chmod(mode)
        return subprocess.run([path], user=77, group=77, extra_groups=[], check=False).returncode

    assert in_worker(inside) == user


def test_platforms_that_nothing_runs_are_refused(in_worker):
    what, why, following = in_worker(lambda: prove(Platform.parse("windows/amd64")))
    assert what == "this machine cannot run windows/amd64"
    assert why == "no emulator for it exists in QEMU's user mode"
    assert following == "leave it out of --platform"


def test_a_missing_emulator_is_named_with_its_package(in_worker, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    what, why, following = in_worker(lambda: prove(HOST, ALIEN))
    assert what == f"this machine cannot run {ALIEN}"
    assert why == "its CPU does not, and qemu-s390x-static is not installed"
    assert following == "sudo apt-get install qemu-user-static"


def test_an_emulator_that_does_not_emulate_is_found_out(in_worker, tmp_path, monkeypatch):
    fake = tmp_path / "qemu-s390x-static"
    fake.write_text("#!/bin/sh\necho qemu version 0.1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_emulator(FORMATS["s390x"]).name == "qemu-s390x 0.1"
    _, why, following = in_worker(lambda: prove(ALIEN))
    assert why.startswith("qemu-s390x 0.1 is registered but failed")
    assert following == "sudo apt-get install --reinstall qemu-user-static"


def test_where_the_kernel_allows_no_table_of_ones_own_the_host_decides(in_worker):
    """The private mount is refused as an older kernel does: there is no directory to mount on."""

    def inside():
        on_a_host_without_entries()
        binfmt.MOUNT_POINT.touch()
        assert not binfmt.mount_private()
        return prove(HOST), prove(ALIEN)

    native, (what, why, following) = in_worker(inside)
    assert native == [(str(HOST), "native")]
    assert what == f"this machine cannot run {ALIEN}"
    assert "older than 6.7" in why
    assert following == "sudo apt-get install --reinstall qemu-user-static"


def test_a_kernel_module_that_is_not_loaded_is_named(in_worker):
    def inside():
        on_a_host_without_entries()
        return prove(ALIEN)

    _, why, following = in_worker(inside)
    assert why == "its CPU does not, and the kernel's module binfmt_misc is not loaded"
    assert following == "sudo modprobe binfmt_misc"


def test_an_entry_of_the_hosts_is_used_where_there_is_no_own_table(in_worker):
    """A namespace plays the host: its table has an entry, the worker in it may not mount one."""

    def inside():
        prove(ALIEN)
        child = os.fork()
        if child == 0:
            from amphora.system.namespace import run_inside  # noqa: PLC0415

            os._exit(run_inside(worker))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def worker():
        empty_directory_over_sysctls()
        narrow = [each for each in map(Platform.parse, ("386", "arm/v7")) if HOST.matches(each)]
        native = [HOST, *filter(runs, narrow)]
        executions = Emulation().prepare([ALIEN, *native])
        emulators = [each.emulator for each in executions.values()]
        return WITNESS if emulators == ["the host's qemu-s390x", *[None] * len(native)] else 1

    assert in_worker(inside) == WITNESS


def test_a_table_is_deaf_to_formats_it_was_not_told_about(in_worker, tmp_path):
    def inside():
        prove(ALIEN)
        path = tmp_path / "program"
        path.write_bytes(program("s390x").replace(b"\x00\x16", b"\x00\x17", 1))
        path.chmod(0o755)
        try:
            return subprocess.run([path], check=False).returncode
        except OSError as error:
            return error.strerror

    assert in_worker(inside) == "Exec format error"
