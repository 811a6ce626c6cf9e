"""The worker: root of namespaces of its own, as root and as an ordinary user."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from waiting import wait_until

from amphora.system import syscalls

pytestmark = pytest.mark.privileged

INSIDE = """
import sys
from amphora.core.errors import AmphoraError
from amphora.system.namespace import run_inside
def inside():
    import ctypes, json, os, pathlib, signal, subprocess, time
    read = lambda path: pathlib.Path(path).read_text()
    {body}
    return 0
try:
    sys.exit(run_inside(inside))
except AmphoraError as error:
    print(type(error).__name__, error.what, error.why, error.next_command, sep="\\n")
    sys.exit(error.exit_code)
"""

#: Says that it is there, and goes on with a process of its own until it is ended.
WAITING = """
    print("ready", flush=True)
    subprocess.run(["sleep", os.environ.get("MARK", "600")])
"""


def inside(body):
    return INSIDE.format(body=body.strip())


@pytest.fixture(params=["root", "ordinary"])
def start(request, python, ordinary):
    """Start a body in the worker, as root and as an ordinary user."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    prefix = ordinary.prefix if request.param == "ordinary" and os.geteuid() == 0 else ()
    return lambda body: python(inside(body), prefix=prefix)


def finish(process):
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_inside_it_is_root_and_pid_one_with_every_id_an_image_may_use(start):
    body = """
    os.chown(os.memfd_create("x"), 65534, 65534)
    print(json.dumps([os.getuid(), os.getgid(), os.getpid(), os.getgroups(),
        read("/proc/self/uid_map").split(), sorted(filter(str.isdigit, os.listdir("/proc")))]))
"""
    code, output, errors = finish(start(body))
    assert code == 0, errors
    uid, gid, pid, groups, uid_map, processes = json.loads(output)
    assert (uid, gid, pid, groups, processes) == (0, 0, 1, [], ["1"])
    assert uid_map[0] == "0"
    assert sum(map(int, uid_map[2::3])) > 65535


def test_roots_map_is_not_that_of_the_initial_namespace(python):
    """With one ID fewer, since crun tries mknod where it finds them all."""
    code, output, _ = finish(python(inside('print(read("/proc/self/uid_map"))')))
    assert code == 0
    assert output.split() == ["0", "0", "4294967294"]


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_the_status_is_passed_through(python, status):
    assert finish(python(inside(f"os._exit({status})")))[0] == status


def test_a_signal_that_ends_the_worker_is_its_status(python):
    """Only from outside: a PID namespace's first process is immune to its own children."""
    process = python(inside(WAITING))
    process.stdout.readline()
    worker = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    os.kill(worker, signal.SIGKILL)
    assert finish(process)[0] == 128 + signal.SIGKILL


def test_a_defect_inside_shows_its_traceback(python):
    code, _, errors = finish(python(inside("raise LookupError('lost')")))
    assert code == 1
    assert "LookupError: lost" in errors


def test_what_is_printed_inside_arrives_whole(start):
    code, output, _ = finish(start("print('x' * 100_000, end='')"))
    assert (code, len(output)) == (0, 100_000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_caller_reaches_the_worker(start, number):
    body = f"""
    def told(received, frame):
        # Not print: the signal may have come in the middle of one.
        os.write(1, b"told %d\\n" % received)
        os._exit(7)
    signal.signal({int(number)}, told)
    {WAITING.strip()}
"""
    process = start(body)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    code, output, errors = finish(process)
    assert (code, output) == (7, f"told {int(number)}\n"), errors


def test_a_worker_without_handlers_ends_when_it_is_asked_to(start):
    process = start(WAITING)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 130


def test_an_ignored_sigchld_does_not_lose_the_status(python):
    prefix = ("env", "--ignore-signal=CHLD")
    assert finish(python(inside("os._exit(9)"), prefix=prefix))[0] == 9


def marked(mark):
    """Processes of the host's that have the mark in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(path)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def test_killing_the_caller_ends_all_inside_and_leaves_no_mount(start, monkeypatch):
    mark = f"6{time.time_ns()}"
    monkeypatch.setenv("MARK", mark)
    body = f"""
    libc = ctypes.CDLL(None)
    assert libc.mount(b"{mark}", b"/mnt", b"tmpfs", 0, None) == 0
    assert "{mark}" in read("/proc/mounts")
    subprocess.Popen(["setsid", "sleep", "{mark}"], start_new_session=True)
    {WAITING.strip()}
"""
    mounts = Path("/proc/mounts").read_text()
    process = start(body)
    assert process.stdout.readline() == "ready\n"
    wait_until(lambda: len(marked(mark)) >= 2 or process.poll() is not None)
    assert mark not in Path("/proc/mounts").read_text()
    process.kill()
    process.wait()
    # The kernel does it on its own, and soon.
    wait_until(lambda: not marked(mark))
    assert Path("/proc/mounts").read_text() == mounts


def test_a_user_without_subordinate_ids_is_told_how_to_get_some(python):
    prefix = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups")
    code, output, _ = finish(python(inside("pass"), prefix=prefix))
    kind, what, why, following = output.splitlines()
    assert (code, kind) == (22, "NamespaceError")
    assert what.startswith("user 54321 cannot")
    assert why == "/etc/subuid gives it no subordinate uids"
    assert following.startswith("sudo usermod --add-subuids 100000-165535 --add-subgids")


def test_the_limit_of_user_namespaces_is_explained(python):
    """The root of a user namespace may set a limit for itself and those below it."""
    script = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    prefix = ("unshare", "-Ur", "sh", "-ec", script, "sh")
    code, output, errors = finish(python(inside("pass"), prefix=prefix))
    kind, what, _, following = output.splitlines() or [errors]
    assert (code, kind, what) == (22, "NamespaceError", "no more user namespaces can be made")
    assert following == "sudo sysctl -w user.max_user_namespaces=16384"


def test_a_refusal_by_the_kernel_is_explained(python):
    """In a chroot nobody may make a user namespace: EPERM, as with docker's seccomp profile."""
    script = 'mount --rbind / /mnt; exec chroot /mnt "$@"'
    prefix = ("unshare", "--mount", "sh", "-ec", script, "sh")
    code, output, errors = finish(python(inside("pass"), prefix=prefix))
    kind, what, why, _ = output.splitlines() or [errors]
    assert (code, kind) == (22, "NamespaceError")
    assert what.endswith("may not create a user namespace")
    assert why.startswith("unshare(0x30020000): Operation not permitted")


def test_a_namespace_of_one_user_is_explained(python):
    prefix = ("unshare", "--user", "--map-root-user")
    code, output, errors = finish(python(inside("pass"), prefix=prefix))
    kind, what, *_ = output.splitlines() or [errors]
    assert (code, kind, what) == (22, "NamespaceError", "no process may change its groups here")


#: A worker in the worker; `{prepare}` comes before, in the outer one.
NESTED = """
    from amphora.system.namespace import run_inside
    {prepare}
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = run_inside(lambda: 5)
        except AmphoraError as error:
            print(error, flush=True)
        finally:
            os._exit(status)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


COVER = """
    for line in read("/proc/mounts").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "proc":
            subprocess.run(["mount", "--bind", "/dev/null", f"{place}/version"], check=True)
"""


def test_workers_can_be_nested(python):
    code, _, errors = finish(python(inside(NESTED.format(prepare=""))))
    assert code == 5, errors


def test_a_masked_proc_is_explained(python):
    """As in containers: the kernel forbids a new /proc where each there is is covered in part."""
    code, output, errors = finish(python(inside(NESTED.format(prepare=COVER))))
    assert code == 1, errors
    assert output.startswith(
        "the worker could not mount a /proc of its own: "
        "mount(proc, /proc, proc, None): Operation not permitted"
    )


def test_system_calls_that_fail_name_what_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mount\(none, .*/missing, tmpfs, None\): No such"):
        syscalls.mount("none", tmp_path / "missing", "tmpfs")
    with pytest.raises(OSError, match=r"umount2\(.*\): Invalid argument"):
        syscalls.unmount(tmp_path)
    with pytest.raises(OSError, match=r"syncfs\(9999\): Bad file descriptor"):
        syscalls.sync_filesystem(9999)
