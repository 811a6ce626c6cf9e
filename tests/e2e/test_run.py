"""Containers as a user runs them: exit codes, streams, terminals, mounts, networks, the end."""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cpus import MACHINES, NATIVE
from terminals import Terminal
from waiting import wait_until

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

#: In the environment of everything that a container here runs.
MARK = "amphora-run-test"
_PATIENCE = 30


def script(amphora, text, *flags, **options):
    """Run a shell script in busybox."""
    return amphora("run", *flags, "busybox", "sh", "-c", text, **options)


def said(amphora, text, *flags):
    done = script(amphora, text, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def start(amphora, *arguments, **options):
    """The program in a session of its own, hearing signals as in a terminal's foreground."""
    return subprocess.Popen(
        amphora.command(*arguments),
        env=amphora.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **{"stdin": subprocess.DEVNULL, **options},
    )


@pytest.fixture
def running(seeded):
    """Start a container that says when it is there; gone at the end."""
    started = []

    def call(text, *flags, program=seeded, before=":"):
        command = ("run", *flags, "busybox", "sh", "-c", f"{before}; echo there; {text}")
        process = start(program, *command)
        started.append(process)
        assert process.stdout.readline() == "there\n", process.stderr.read()
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


# Exit codes


@pytest.mark.parametrize("platform", MACHINES)
def test_the_status_is_the_commands(seeded, platform):
    done = script(seeded, "uname -m; echo wrong >&2; exit 3", "--platform", platform)
    assert (done.returncode, done.stdout, done.stderr) == (3, MACHINES[platform] + "\n", "wrong\n")
    crashed = script(seeded, "sh -c 'kill -s SEGV $$'; exit $?", "--platform", platform)
    assert crashed.returncode == 139


def test_a_first_process_that_crashes_in_qemu_ends_and_it_is_said(seeded):
    done = script(seeded, "echo there; kill -s SEGV $$; echo not", "--platform=linux/arm64")
    assert (done.returncode, done.stdout) == (139, "there\n")
    assert "note: /bin/sh died of SIGSEGV in qemu-" in done.stderr
    assert "amphora emulator verify --deep" in done.stderr
    # On its own CPU the kernel keeps that from a first process, as with docker.
    assert said(seeded, "kill -s SEGV $$; echo still there") == "still there\n"


@pytest.mark.parametrize("platform", MACHINES)
def test_what_cannot_be_executed(seeded, tmp_path, platform):
    (tmp_path / "broken").write_bytes(b"\x7fELF, they say")
    (tmp_path / "lost").write_text("#!/no/such/interpreter\n")
    for name in ("broken", "lost"):
        (tmp_path / name).chmod(0o755)
    run = ("run", "--platform", platform, "-v", f"{tmp_path}:/x", "busybox")
    for command, status, word in (
        ("nosuch", 127, "nosuch is not in the container"),
        ("/bin/nosuch", 127, "there is no such file"),
        ("/etc/passwd", 126, "/etc/passwd cannot be executed"),
        ("/x/broken", 126, "no program of the CPU"),
        ("/x/lost", 126, "its #! line names"),
    ):
        done = seeded(*run, command)
        assert (done.returncode, word in done.stderr) == (status, True), done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--pull=never", "no-such-image"), "no image is called no-such-image"),
        (("--platform=linux/s390x", "busybox"), "has no variant for linux/s390x"),
        (("-v", "/no/such:/x", "busybox"), "mkdir -p /no/such"),
        (("-v", ".data:/x", "busybox"), "'.data' is no name"),
        (("-v", "/:/", "busybox"), "below /"),
        (("-u", "nobody-knows", "busybox"), "no user 'nobody-knows'"),
        (("-it", "busybox"), "-t and -i need a terminal"),
        (("--network=none", "-p", "1:1", "busybox"), "-p cannot be together"),
        (("--entrypoint=", "busybox"), "there is nothing to run"),
        (("--tmpfs=/x", "--mount=type=tmpfs,target=/x/", "busybox"), "mounted on /x"),
    ],
)
def test_our_own_errors_are_125(seeded, flags, word):
    done = seeded("run", *flags)
    assert (done.returncode, word in done.stderr) == (125, True), done.stderr
    assert " next: " in done.stderr


def test_entry_points(seeded, context):
    seeded.ok("build", "-q", "-t", "it", context('FROM busybox\nENTRYPOINT ["echo", "a"]\nCMD b\n'))
    assert seeded.ok("run", "it") == "a /bin/sh -c b\n"
    assert seeded.ok("run", "it", "c", "-d") == "a c -d\n"
    assert seeded.ok("run", "--entrypoint", "printf", "it", "%s.", "x", "y") == "x.y."
    assert seeded.ok("run", "--entrypoint", "", "it", "echo", "z") == "z\n"


# Who, where, with what


def test_environment_user_directory_and_names(seeded, tmp_path):
    (tmp_path / "env").write_text("# a comment\n\nFILE=from file\nTWICE=file\nMINE\nGONE\n")
    seeded.environment.update(MINE="mine", OTHER="not passed on")
    flags = ("--env-file", tmp_path / "env", "-e", "TWICE=flag", "-e", "EMPTY=", "-e", "MINE")
    lines = said(seeded, "env", *flags, "--hostname", "it").splitlines()
    seen = dict(line.split("=", 1) for line in lines)
    wanted = {"FILE": "from file", "TWICE": "flag", "EMPTY": "", "MINE": "mine", "HOSTNAME": "it"}
    assert {name: seen.get(name) for name in wanted} == wanted
    assert seen.keys() == {*wanted, "PATH", "HOME", "PWD", "SHLVL"}
    text = "id -u; id -g; id -G; pwd; hostname; grep -c 'localhost it$' /etc/hosts; echo ~"
    flags = ("-u", "mail", "-w", "/new/place", "--name", "it", "--network=none")
    assert said(seeded, text, *flags).split() == [
        *("8", "12", "12", "50", "/new/place", "it", "1", "/var/mail")
    ]
    assert said(seeded, "id -u; id -g", "-u", "7:9").split() == ["7", "9"]


def test_nothing_of_a_container_is_kept(seeded, remains):
    assert said(seeded, "echo x > /made; rm /bin/vi; ls /made") == "/made\n"
    assert script(seeded, "ls /made").returncode == 1
    assert said(seeded, "ls /bin/vi", "--rm") == "/bin/vi\n"
    assert not remains.files()
    assert not remains.mounts()
    assert os.listdir(seeded.store / "containers") == [".lock"]


def test_what_is_allowed(seeded):
    text = "touch /x /etc/x; touch /tmp/x /dev/shm/x && ls /tmp; grep CapEff /proc/self/status"
    done = script(seeded, text, "--read-only", "--tmpfs=/tmp:size=1m,mode=700", "--cap-drop=ALL")
    assert done.stderr.count("Read-only file system") == 2
    assert done.stdout.split() == ["x", "CapEff:", "0" * 16]
    mount = "mkdir /m; mount -t tmpfs none /m && umount /m && echo mounted"
    assert script(seeded, mount).stdout == ""
    assert said(seeded, mount, "--cap-add=SYS_ADMIN") == "mounted\n"
    limits = said(seeded, "ulimit -n; df -m /dev/shm", "--ulimit=nofile=99", "--shm-size=3m")
    assert limits.split()[0] == "99"
    assert " 3 " in " ".join(limits.split())


# Mounts


@pytest.mark.parametrize("platform", MACHINES)
def test_volumes(seeded, tmp_path, platform):
    data = tmp_path / "data"
    data.mkdir()
    (data / "in").write_text("in\n")
    os.chown(data / "in", 8, 12)
    text = "cat /d/in; stat -c %u:%g /d/in; echo out > /d/out; chown 9:50 /d/out; touch /r/no"
    flags = ("--platform", platform, "-v", f"{data}:/d", "-v", f"{data}:/r/:ro")
    done = script(seeded, text, *flags)
    assert done.stdout == "in\n8:12\n"
    assert "Read-only file system" in done.stderr
    status = (data / "out").stat()
    assert (status.st_uid, status.st_gid) == (9, 50)


def test_mounts_of_files_in_memory_and_relative(seeded, tmp_path):
    (tmp_path / "file").write_text("content\n")
    flags = (
        *("-v", "./file:/etc/passwd:ro", "-v", "/nothing/kept"),
        *("--mount", "type=bind,src=.,dst=/here,readonly"),
        *("--mount", "type=tmpfs,target=/m,tmpfs-size=64k,tmpfs-mode=0750"),
    )
    text = """
        cat /etc/passwd /here/file; stat -c %a /m
        head -c 100000 /dev/zero > /m/x || echo full; touch /here/x || echo denied
    """
    done = script(seeded, text, *flags, cwd=tmp_path)
    assert done.stdout.split() == ["content", "content", "750", "full", "denied"]


def test_a_volume_does_not_lead_out_of_the_container(seeded, tmp_path, context):
    """What the image has at the place is followed inside."""
    (tmp_path / "data").mkdir()
    (tmp_path / "victim").mkdir()
    dockerfile = f"FROM busybox\nRUN ln -s {tmp_path}/victim /link && ln -s ../../.. /up\n"
    seeded.ok("build", "-q", "-t", "it", context(dockerfile))
    for target in ("/link", f"/up{tmp_path}/victim"):
        flags = ("-v", f"{tmp_path}/data:{target}/sub")
        seeded("run", *flags, "it", "sh", "-c", f"echo x > {target}/sub/x")
        assert not list((tmp_path / "victim").iterdir())


# Streams


def test_input_is_passed_on_only_if_asked_for(seeded):
    content = random.Random(1).randbytes(3_000_000)
    for flags, expected in ((("-i",), content), ((), b"")):
        done = subprocess.run(
            seeded.command("run", *flags, "busybox", "cat"),
            env=seeded.environ(),
            input=content,
            capture_output=True,
            check=True,
        )
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(expected).digest()


def test_input_that_nobody_reads_holds_up_nobody(seeded):
    done = subprocess.run(
        seeded.command("run", "-i", "busybox", "true"),
        env=seeded.environ(),
        input=bytes(1_000_000),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing):
        assert (
            said(
                seeded,
                "echo done",
                "-i",
            )
            == "done\n"
        )


def test_large_output_comes_whole_and_apart(seeded, tmp_path):
    text = "head -c 20000000 /dev/zero; head -c 1000000 /dev/zero >&2"
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        command = seeded.command("run", "busybox", "sh", "-c", text)
        subprocess.run(command, env=seeded.environ(), stdout=out, stderr=err, check=True)
    assert (tmp_path / "out").stat().st_size == 20_000_000
    assert (tmp_path / "err").stat().st_size == 1_000_000


def test_a_reader_that_goes_away_ends_the_writer(seeded):
    process = start(seeded, "run", "busybox", "yes")
    assert process.stdout.readline() == "y\n"
    process.stdout.close()
    # As PID 1 it hears no SIGPIPE, but the error.
    assert process.wait(_PATIENCE) == 1
    process.stderr.close()


def test_a_container_does_not_hold_our_files(seeded, tmp_path):
    """Through its own output it could read, or cut short, what is only appended to."""
    log = tmp_path / "log"
    log.write_text("earlier\n")
    text = "timeout 1 cat /proc/self/fd/1; : > /proc/self/fd/1; echo later"
    with log.open("a") as out:
        command = seeded.command("run", "busybox", "sh", "-c", text)
        subprocess.run(command, env=seeded.environ(), stdout=out, stderr=out, check=False)
    lines = log.read_text().splitlines()
    assert (lines[0], lines.count("earlier"), "later" in lines) == ("earlier", 1, True)


# Signals


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_are_passed_on(running, name):
    process = running("while :; do sleep 0.1; done", before=f"trap 'echo heard; exit 5' {name}")
    process.send_signal(getattr(signal, f"SIG{name}"))
    output, errors = process.communicate(timeout=_PATIENCE)
    assert (process.returncode, output) == (5, "heard\n"), errors


def test_what_does_not_hear_is_killed_the_third_time(running, remains):
    process = running("exec sleep 600")
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=_PATIENCE)
    assert process.returncode == 137
    assert not remains.processes()


@pytest.mark.parametrize("platform", MACHINES)
def test_init_hears_for_what_does_not(seeded, running, platform):
    process = running("exec sleep 600", "--init", "--platform", platform)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=_PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    # It passes the status on, and waits for those that lost their parent.
    orphans = """
        cat /proc/1/comm; for i in 1 2 3; do (true & exec true); done; sleep 0.3
        grep -l '^State:.Z' /proc/[0-9]*/status; exit 4
    """
    done = script(seeded, orphans, "--init", "--platform", platform)
    assert (done.returncode, done.stdout) == (4, "init\n"), done.stderr


def test_init_that_is_not_there_is_said(without):
    refused = without("tini-static")("run", "--init", "busybox", "true")
    assert (refused.returncode, "sudo apt-get install tini" in refused.stderr) == (125, True)


@pytest.mark.parametrize("platform", MACHINES)
def test_kill_9_leaves_nothing(seeded, running, remains, platform):
    text = f": {MARK}; sleep 600 & exec sleep 600"
    process = running(text, "--platform", platform, "--name", "it", "-v", f"{remains.home}:/x")
    process.kill()
    process.communicate()
    remains.wait_for_processes()
    assert not remains.mounts()
    assert json.loads(seeded.ok("ps", "--format", "json")) == []
    assert said(seeded, "echo again", "--name", "it") == "again\n"
    assert not remains.files()


# Terminals


@pytest.mark.parametrize("platform", MACHINES)
def test_a_terminal(seeded, platform):
    terminal = Terminal(seeded, "run", "-it", "--platform", platform, "busybox")
    terminal.read_until(rb"# ")
    terminal.type(b"uname -m; tty; echo $TERM\n")
    terminal.read_until(MACHINES[platform].encode())
    terminal.read_until(rb"/dev/pts/0\r\nxterm\r\n")
    terminal.resize(33, 111)
    terminal.type(b"while ! stty size | grep '33 111'; do sleep 0.1; done\n")
    terminal.read_until(rb"\n33 111\r\n")
    # Ctrl-C is for what runs in there, not for us.
    terminal.type(b"echo re''ady; cat\n")
    terminal.read_until(rb"ready")
    terminal.type(b"typed\n")
    terminal.read_until(rb"typed\r\ntyped\r\n")
    terminal.type(b"\x03")
    terminal.read_until(rb"\^C(?s:.*)# ")
    terminal.type(b"echo st''ill here\n")
    terminal.read_until(rb"still here")
    terminal.type(b"exit 6\n")
    assert terminal.end() == 6


@pytest.mark.parametrize("ending", ["exit 4", "kill -9 the worker"])
def test_our_terminal_is_as_it_was(seeded, ending):
    terminal = Terminal(seeded, "run", "-it", "busybox", "sh", "-c", "echo there; read x")
    before = terminal.attributes()
    terminal.read_until(rb"there")
    assert not terminal.attributes()[3] & termios.ECHO
    if ending == "exit 4":
        terminal.type(b"\n")
    else:
        children = Path(f"/proc/{terminal.pid}/task/{terminal.pid}/children").read_text()
        os.kill(int(children.split()[0]), signal.SIGKILL)
    wait_until(lambda: terminal.attributes()[3] == before[3])
    terminal.end()


def test_a_terminal_that_goes_away_ends_what_runs_on_it(seeded, remains):
    """Also if nobody but us is told: the first process of a session, as under `ssh -t`."""
    terminal = Terminal(seeded, "run", "-it", "busybox", "sh", "-c", "echo there; exec cat")
    terminal.read_until(rb"there")
    terminal.hang_up()
    os.waitpid(terminal.pid, 0)
    assert not remains.processes()


# Networks


def test_no_network(seeded):
    assert said(seeded, "ip -o link | wc -l", "--network=none") == "1\n"


def test_no_network_where_the_kernel_lets_nobody_mount_a_sysfs_without_masks(seeded):
    """As in a container of docker's: the machine's is shown."""
    each = """awk '$3 == "sysfs" {print $2 "/kernel"}' /proc/mounts"""
    masks = f'{each} | xargs -n 1 mount -t tmpfs none; exec "$@"'
    masked = replace(seeded, prefix=("unshare", "--mount", "sh", "-ec", masks, "sh"))
    shown = said(masked, "ls /sys/class/net; ls /sys/kernel", "--network=none")
    assert sorted(shown.split()) == sorted(os.listdir("/sys/class/net"))


def test_the_hosts_network(running):
    with socket.create_server(("127.0.0.1", 0)) as server:
        reach = f"nc 127.0.0.1 {server.getsockname()[1]} < /dev/null"
        process = running(reach, "--network=host")
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"reached")
        assert process.communicate(timeout=_PATIENCE)[0] == "reached"


@pytest.fixture
def pasta(seeded):
    done = script(seeded, "true", "--network=private")
    if done.returncode:
        assert "the container cannot have a network of its own" in done.stderr
        pytest.skip("no network of a container's own can be made here")


def test_a_private_network(seeded, pasta):
    with socket.create_server(("127.0.0.1", 0)) as server:
        reach = f"nc 127.0.0.1 {server.getsockname()[1]} < /dev/null"
        assert script(seeded, reach, "--network=private").returncode == 1
    assert int(said(seeded, "ip -o link | wc -l", "--network=private")) > 1
    line = said(seeded, "grep -w db /etc/hosts", "--network=private", "--add-host=db:10.1.2.3")
    assert line.split() == ["10.1.2.3", "db"]


def test_the_host_is_at_an_address_of_its_own_where_that_is_asked_for(seeded):
    flags = ("--network=host", "--add-host=it:host-gateway")
    assert said(seeded, "grep 'it$' /etc/hosts", *flags).split() == ["127.0.0.1", "it"]


def test_published_ports(seeded, pasta, running):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = script(seeded, "true", "-p", f"127.0.0.1:{port}:80")
        assert taken.returncode == 125, taken.stderr
    process = running("echo hello | nc -l -p 80", "-p", f"127.0.0.1:{port}:80")
    deadline = time.monotonic() + _PATIENCE
    answer = b""
    while not answer and time.monotonic() < deadline:
        # Until nc listens, pasta takes the connection and closes it.
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(_PATIENCE)
            answer = _received(connection)
    assert answer == b"hello\n"
    process.communicate(timeout=_PATIENCE)


def _received(connection):
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


def test_without_pasta_the_network_is_the_hosts_and_it_is_said(without):
    program = without("pasta")
    done = script(program, "echo ran")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert "note: commands run on the host's network" in done.stderr
    assert script(program, "true", "--network=private").returncode == 125


# Others that run


def test_ps_exec_and_stop(seeded, running):
    assert seeded.ok("ps").split()[0] == "NAME"
    process = running("exec sleep 600", "--name", "first", "-e", "A=b", "-u", "mail")
    assert seeded.ok("ps").splitlines()[1].split()[:4] == [
        *("first", "busybox:latest", NATIVE, "native")
    ]
    (listed,) = json.loads(seeded.ok("ps", "--format", "json"))
    assert (listed["name"], listed["process"]) == ("first", process.pid)
    same = seeded("run", "--name", "first", "busybox", "true")
    assert (same.returncode, "amphora stop first" in same.stderr) == (125, True)

    execute = ("exec", "first")
    done = seeded(*execute, "sh", "-c", "id -u; echo $A; cat /proc/1/cmdline; echo; exit 7")
    assert (done.returncode, done.stdout) == (7, "8\nb\nsleep\x00600\x00\n")
    flags = ("exec", "-u", "0", "-e", "A=c", "-w", "/tmp")
    assert seeded.ok(*flags, "fir", "sh", "-c", "id -u; echo $A; pwd") == "0\nc\n/tmp\n"
    nothing = seeded(*execute, "nosuch")
    assert (nothing.returncode, "nosuch is not in the container" in nothing.stderr) == (127, True)
    done = subprocess.run(
        seeded.command("exec", "-i", "first", "cat"),
        env=seeded.environ(),
        input=b"\x00in",
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"\x00in"
    terminal = Terminal(seeded, "exec", "-it", "first", "sh")
    terminal.read_until(rb"\$ ")
    terminal.type(b"tty; exit 8\n")
    assert terminal.end() == 8
    assert b"/dev/pts/" in terminal.seen

    assert seeded.ok("stop", "-t", "0.5", "first") == "first\n"
    assert process.wait(_PATIENCE) == 137
    assert seeded("exec", "first", "true").returncode == 125
    assert seeded("stop", "first").returncode == 51


def test_stopping_in_good_order(seeded, running, context):
    """The signal is the image's."""
    seeded.ok("build", "-q", "-t", "it", context("FROM busybox\nSTOPSIGNAL USR1\n"))
    text = "trap 'exit 9' USR1; echo there; while :; do sleep 0.1; done"
    process = start(seeded, "run", "--name=it", "it", "sh", "-c", text)
    assert process.stdout.readline() == "there\n"
    wait_until(lambda: json.loads(seeded.ok("ps", "--format=json")))
    seeded.ok("stop", "it")
    process.communicate(timeout=_PATIENCE)
    assert process.returncode == 9


# Images


def test_an_image_that_is_not_there_is_fetched(seeded, registry):
    name = f"{registry}/it:1"
    directory = seeded.home / "context"
    directory.mkdir()
    (directory / "Dockerfile").write_text("FROM busybox\nCMD echo fetched\n")
    both = ",".join(MACHINES)
    seeded.ok("build", "-q", "-t", name, "--platform", both, "--push", directory)
    empty = replace(seeded, environment={"AMPHORA_STORE": str(seeded.home / "empty")})
    assert empty("run", "--pull=never", name).returncode == 125
    foreign = ("--platform", "linux/arm64")
    assert empty.ok("run", *foreign, name) == "fetched\n"
    images = json.loads(empty.ok("image", "ls", "--format=json"))
    assert [each["present"] for each in images[0]["variants"]] == [False, True]
    assert empty.ok("run", *foreign, "--pull=never", name) == "fetched\n"
    assert empty.ok("run", "--pull=always", name) == "fetched\n"


def test_a_foreign_image_alone_is_run_and_it_is_said(seeded, context):
    seeded.ok("build", "-q", "-t", "it", "--platform", "linux/arm64", context("FROM busybox\n"))
    done = seeded("run", "it", "uname", "-m")
    assert (done.returncode, done.stdout) == (0, "aarch64\n")
    assert "note: the image is for linux/arm64" in done.stderr


def test_handoff_is_off_unless_asked_for(tools):
    text = "sed -n s/root/x/p /etc/passwd | head -n 1; uname -m"
    outputs = [
        tools.ok("run", "--platform=linux/arm64", *flags, "tools", "sh", "-c", text)
        for flags in ((), ("--handoff=exact",))
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith("aarch64\n")
