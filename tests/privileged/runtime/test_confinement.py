"""Docker's confinement, looked at from inside: capabilities, system calls, files of the host's."""

import errno
import os
import resource
import socket
import sys
from pathlib import Path

import pytest
from cpus import FOREIGN, HOST

from amphora.core.platform import Platform
from amphora.runtime.spec import CAPABILITIES, Bind, User

pytestmark = pytest.mark.privileged


#: Bits of docker's fourteen in CapBnd; linux/capability.h.
DOCKERS = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}


@pytest.fixture
def python(execute):
    """Run a program of the Python that runs this test, shown to the container read-only."""
    places = dict.fromkeys(["/usr", "/lib", "/lib64", sys.base_prefix])
    binds = [Bind(Path(place), place) for place in places if Path(place).exists()]
    interpreter = os.path.realpath(sys.executable)

    def call(text):
        environment = {"PATH": "/bin", "PYTHONHOME": sys.base_prefix}
        return ok(execute(interpreter, "-c", text, binds=binds, environment=environment))

    return call


def ok(outcome):
    status, output = outcome
    assert status == 0, output
    return output


def status_of(output):
    return {
        key: value.strip()
        for key, _, value in (line.partition(":") for line in output.splitlines())
    }


def bits(text):
    return {bit for bit in range(64) if int(text, 16) >> bit & 1}


def test_root_has_dockers_fourteen_capabilities(execute):
    seen = status_of(ok(execute("cat /proc/self/status")))
    assert len(CAPABILITIES) == len(DOCKERS) == 14
    for kind in ("CapBnd", "CapEff", "CapPrm"):
        assert bits(seen[kind]) == DOCKERS, kind
    for kind in ("CapInh", "CapAmb"):
        assert bits(seen[kind]) == set(), kind


def test_other_users_have_none_but_may_gain_them_by_set_uid_programs(execute):
    seen = status_of(ok(execute("cat /proc/self/status", user=User(8, 12))))
    assert bits(seen["CapBnd"]) == DOCKERS
    assert bits(seen["CapEff"]) == bits(seen["CapPrm"]) == bits(seen["CapAmb"]) == set()
    assert seen["NoNewPrivs"] == "0"


@pytest.mark.parametrize("platform", [HOST, Platform.parse(FOREIGN)], ids=["native", "foreign"])
def test_system_calls_are_filtered_for_every_platform(execute, platform):
    output = ok(execute("grep Seccomp: /proc/1/status", platform=platform))
    assert output.split() == ["Seccomp:", "2"]


def test_sys_tells_of_the_containers_own_network_only(execute):
    assert ok(execute("ls /sys/class/net", network="none")) == "lo\n"
    hosts = ok(execute("ls /sys/class/net", network="host")).split()
    assert sorted(hosts) == sorted(os.listdir("/sys/class/net"))


@pytest.mark.parametrize(
    "command",
    [
        "mount -t tmpfs none /tmp",
        "umount /proc",
        "unshare -U true",
        "unshare -m true",
        "hostname other",
        "mknod /dev/port c 1 4 && cat /dev/port",
        "now=$(cat /proc/sys/kernel/panic) && echo $now >/proc/sys/kernel/panic",
        "echo h >/proc/sysrq-trigger",
        "dmesg",
    ],
)
def test_what_only_the_machines_root_may_do_is_denied(execute, command):
    status, output = execute(command)
    assert status != 0, output


def test_parts_of_proc_and_sys_are_masked(execute):
    script = """
    for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do
        if [ -e $path ] && [ -s $path ]; then echo "$path tells"; fi
        head -c 1 $path 2>/dev/null
    done
    ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : | grep .
    true
    """
    assert ok(execute(script)) == ""


@pytest.mark.parametrize("network", ["none", "host"])
def test_nothing_below_sys_can_be_written(execute, network):
    output = ok(
        execute("ls /sys/fs/cgroup >/dev/null; grep -E '^[^ ]+ /sys' /proc/mounts", network=network)
    )
    options = [line.split()[3].split(",") for line in output.splitlines()]
    assert options
    assert all("ro" in words for words in options), output
    assert any(line.split()[1].startswith("/sys/fs/cgroup") for line in output.splitlines())
    assert execute("mkdir /sys/fs/cgroup/amphora-test", network=network)[0] != 0


def test_a_container_sees_its_own_processes_only(execute):
    output = ok(execute("ls /proc | grep -c '^[0-9]'; echo $$"))
    assert output.split()[1] == "1"
    assert int(output.split()[0]) < 5


def test_devices_are_the_harmless_ones(execute):
    output = ok(execute("ls /dev"))
    harmless = "full null zero random urandom tty ptmx pts shm mqueue fd stdin stdout stderr core"
    assert set(output.split()) <= {*harmless.split(), "console"}
    assert ok(execute("head -c 3 /dev/zero | wc -c; echo x >/dev/null")) == "3\n"


def test_as_many_files_may_be_open_as_for_us(execute):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert ok(execute("ulimit -Sn; ulimit -Hn")).split() == [str(min(1024, hard)), str(hard)]


SYSTEM_CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall({arguments})
print(ctypes.get_errno())
"""


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ("435, 0, 0", errno.ENOSYS),  # clone3: C libraries then take clone
        ("425, 0, 0", errno.EPERM),  # io_uring_setup
        ("426, 0, 0, 0", errno.EPERM),  # io_uring_enter
        ("428, 0, 0, 0", errno.EPERM),  # open_tree
        ("430, 0, 0", errno.EPERM),  # fsopen
        ("442, 0, 0, 0, 0, 0", errno.EPERM),  # mount_setattr
        ("9999, 0", errno.EPERM),
        ("434, 1, 0", 0),  # pidfd_open
    ],
)
def test_calls_that_are_not_on_the_list_fail(python, arguments, number):
    assert python(SYSTEM_CALL.format(arguments=arguments)) == f"{number}\n"


@pytest.mark.parametrize("flag", [0x00020000, 0x02000000, 0x10000000, 0x20000000, 0x40000000])
def test_no_namespace_can_be_made(python, flag):
    """Neither by unshare nor by clone."""
    text = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.unshare({flag}), ctypes.get_errno())
nothing = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)
stack = ctypes.create_string_buffer(1 << 16)
print(libc.clone(nothing, ctypes.byref(stack, 1 << 15), {flag} | 17, None), ctypes.get_errno())
"""
    assert python(text).split() == ["-1", "1", "-1", "1"]


@pytest.mark.parametrize(
    ("family", "allowed"),
    [
        (socket.AF_UNIX, True),
        (socket.AF_INET, True),
        (socket.AF_INET6, True),
        (socket.AF_NETLINK, True),
        (socket.AF_ALG, False),
        (socket.AF_VSOCK, False),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_sockets_to_the_kernels_cryptography_and_the_hypervisor_are_denied(python, family, allowed):
    text = f"""
import socket
try:
    socket.socket({int(family)}, {int(socket.SOCK_DGRAM)}).close()
    print("made")
except PermissionError:
    print("denied")
except OSError as error:
    print("made" if error.errno in (97, 93) else error)
"""
    assert python(text) == ("made\n" if allowed else "denied\n")
