"""Containers for real: how they start, what they see, and how they end."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from amphora.core.errors import MissingToolError
from amphora.core.platform import Platform
from amphora.emulation.support import Emulation
from amphora.runtime.container import Runtime
from amphora.runtime.identity import resolve_user
from amphora.runtime.mountpoints import network_binds
from amphora.runtime.spec import Bind, Container
from amphora.system import syscalls

pytestmark = pytest.mark.privileged

HOST = Platform.host()
FOREIGN = next(Platform.parse(name) for name in ("arm64", "amd64") if name != HOST.architecture)


def ok(outcome):
    status, output = outcome
    assert status == 0, output
    return output


@pytest.mark.parametrize("platform", [HOST, FOREIGN], ids=["native", "foreign"])
def test_every_platform_runs_its_own_programs(execute, platform):
    status, output = execute("uname -m; hostname; id -u; pwd; exit 7", platform=platform)
    machine, *rest = output.split()
    assert Platform.parse(machine) == platform
    assert (status, rest) == (7, ["amphora", "0", "/"])


@pytest.mark.parametrize("status", [0, 1, 42, 127, 255])
def test_the_status_is_the_programs(execute, status):
    assert execute(f"exit {status}") == (status, "")


def test_a_signal_that_ends_the_program_is_its_status(execute):
    # The first process of a PID namespace does not hear its own SIGKILL, its child does.
    assert execute("sh -c 'kill -9 $$'; exit $?")[0] == 137


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("no-such-program", "x"), "`no-such-program` not found"),
        (("/no/such/program", "x"), "No such file or directory"),
        (("/etc/passwd", "x"), "Permission denied"),
    ],
)
def test_a_command_that_cannot_be_run_is_named(execute, command, said):
    status, output = execute(*command)
    assert status != 0
    assert said in output


def test_output_and_errors_come_in_order(execute):
    assert execute("echo one; echo two >&2; echo three") == (0, "one\ntwo\nthree\n")


def test_output_comes_while_the_program_runs(in_worker, mounted, busybox_root):
    """The program waits for a file that is made when its first words have been heard."""
    image = busybox_root(HOST)

    def inside():
        root, state = mounted(image)
        heard = bytearray()

        def hear(chunk):
            heard.extend(chunk)
            (root / "tmp/heard").touch()

        script = "echo started; while [ ! -e /tmp/heard ]; do sleep 0.01; done; echo ended"
        container = Container(root, ["/bin/sh", "-c", script], {"PATH": "/bin"})
        return asyncio.run(Runtime(state).run(container, hear)), bytes(heard)

    assert in_worker(inside) == (0, b"started\nended\n")


def test_the_environment_is_the_images_and_nothing_of_ours(execute, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    output = ok(execute("env", environment={"PATH": "/bin", "GREETING": "hello world"}))
    assert dict(line.split("=", 1) for line in output.splitlines()) == {
        "GREETING": "hello world",
        "HOME": "/",
        "HOSTNAME": "amphora",
        "PATH": "/bin",
        "PWD": "/",
        "SHLVL": "1",
    }


def test_without_an_environment_there_is_a_path(execute):
    assert ok(execute("echo $PATH", environment={})).count("/bin") > 1


def test_the_image_may_set_home_and_hostname_itself(execute):
    output = ok(
        execute("echo $HOME; hostname", environment={"PATH": "/bin", "HOME": "/x"}, hostname="box")
    )
    assert output.split() == ["/x", "box"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 0 0 /root"),
        ("mail", "8 12 12,50 /var/mail"),
        ("8:50", "8 50 50 /var/mail"),
        ("4321", "4321 0 0 /"),
    ],
)
def test_users_are_looked_up_in_the_image(execute, text, said):
    output = ok(
        execute(
            "echo $(id -u) $(id -g) $(id -G | tr ' ' ,) $HOME",
            prepare=lambda root: {"user": resolve_user(root, text)},
        )
    )
    assert output.strip() == said


def test_the_working_directory_is_made_if_it_is_missing(execute):
    assert ok(execute("pwd", working_directory="/etc")) == "/etc\n"
    assert ok(execute("pwd", working_directory="/made/up")) == "/made/up\n"


def test_the_umask_is_022(execute):
    assert ok(execute("umask; touch /tmp/a; stat -c %a /tmp/a")) == "0022\n644\n"


def test_binds_are_read_only_unless_they_are_not(execute, tmp_path):
    (tmp_path / "file").write_text("content")
    binds = [Bind(tmp_path, "/in"), Bind(tmp_path, "/out", read_only=False)]
    status, output = execute(
        "cat /in/file; touch /in/x && echo bad; touch /out/y && mount -o remount,rw /in",
        binds=binds,
    )
    assert status != 0
    assert output.startswith("contenttouch: /in/x: Read-only file system\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "y"]


def test_what_is_mounted_below_a_read_only_bind_is_read_only_too(execute):
    def prepare(root):
        source = Path("/mnt")
        syscalls.mount("none", source, "tmpfs")
        (source / "below").mkdir()
        syscalls.mount("none", source / "below", "tmpfs")
        return {"binds": [Bind(source, "/in")]}

    status, output = execute("touch /in/below/x", prepare=prepare)
    assert (status, output) == (1, "touch: /in/below/x: Read-only file system\n")


def test_a_root_can_be_read_only(execute):
    assert execute("touch /x", read_only_root=True)[0] == 1
    assert execute("touch /dev/shm/x", read_only_root=True)[0] == 0


def test_names_can_be_resolved_with_the_hosts_files(execute):
    output = ok(execute("cat /etc/hosts", prepare=lambda root: {"binds": network_binds()}))
    assert output == Path("/etc/hosts").read_text()


def test_mount_points_are_always_there_and_never_in_the_image(in_worker, mounted, busybox_root):
    image = busybox_root(HOST)

    def inside():
        root, state = mounted(image)
        container = Container(root, ["/bin/sh", "-c", "touch /tmp/mark"], binds=network_binds())
        status = asyncio.run(Runtime(state).run(container, lambda _: None))
        return status, sorted(path.name for path in Path("/run/upper").rglob("*"))

    assert in_worker(inside) == (0, ["mark", "tmp"])


def running():
    """Command lines of what runs besides this process."""
    lines = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            line = (path / "cmdline").read_bytes()
            if line and path.name != "1":
                lines.append(line)
    return lines


@pytest.mark.parametrize("platform", [HOST, FOREIGN], ids=["native", "foreign"])
def test_a_cancelled_container_is_gone_with_all_it_started(
    in_worker, mounted, busybox_root, platform
):
    image = busybox_root(platform)
    script = "trap '' TERM; sleep 601 & setsid sleep 602 & (setsid sleep 603 &); echo ready; wait"

    def inside():
        Emulation().prepare([platform])
        root, state = mounted(image)

        async def main():
            ready = asyncio.Event()
            container = Container(root, ["/bin/sh", "-c", script], {"PATH": "/bin"})
            running = Runtime(state).run(container, lambda _: ready.set())
            task = asyncio.create_task(running)
            await ready.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            return task.cancelled()

        cancelled = asyncio.run(main())
        left = running(), list(state.iterdir())
        syscalls.unmount(root)  # Busy, if anything of the container were left.
        return cancelled, left

    assert in_worker(inside) == (True, ([], []))


def test_a_listener_that_fails_ends_the_container(in_worker, mounted, busybox_root):
    image = busybox_root(HOST)

    def inside():
        root, state = mounted(image)

        def fail(chunk):
            raise ValueError("full")

        container = Container(root, ["/bin/sh", "-c", "echo x; sleep 604"], {"PATH": "/bin"})
        try:
            asyncio.run(Runtime(state).run(container, fail))
        except ValueError as error:
            return str(error), running(), list(state.iterdir())

    assert in_worker(inside) == ("full", [], [])


def test_what_a_program_leaves_running_ends_with_it(in_worker, mounted, busybox_root):
    image = busybox_root(HOST)

    def inside():
        root, state = mounted(image)
        script = "setsid sleep 605 >/dev/null 2>&1 & echo done"
        container = Container(root, ["/bin/sh", "-c", script], {"PATH": "/bin"})
        status = asyncio.run(Runtime(state).run(container, lambda _: None))
        return status, running(), list(state.iterdir())

    assert in_worker(inside) == (0, [], [])


def test_containers_run_side_by_side(in_worker, mounted, busybox_root):
    """Each waits for the other, so that neither ends unless both run."""
    image = busybox_root(HOST)

    def inside():
        root, state = mounted(image)
        runtime = Runtime(state)

        async def run(mine, other):
            script = f"touch /tmp/{mine}; while [ ! -e /tmp/{other} ]; do sleep 0.01; done"
            container = Container(root, ["/bin/sh", "-c", script], {"PATH": "/bin"})
            return await runtime.run(container, lambda _: None)

        async def both():
            return await asyncio.gather(run("a", "b"), run("b", "a"))

        return asyncio.run(both())

    assert in_worker(inside) == [0, 0]


def test_without_crun_its_package_is_named(in_worker):
    def inside():
        syscalls.mount("none", Path("/usr/bin"), "tmpfs")
        try:
            Runtime(Path("/run"))
        except MissingToolError as error:
            return error.next_command

    assert in_worker(inside) == "sudo apt-get install crun"
