"""What the containers of all builds of a builder may take together; --cgroup-parent."""

import json
import os
import subprocess
import time
from dataclasses import replace

import pytest

from amphora.oci.archive import import_archive
from amphora.oci.store import Store
from amphora.system.cgroup_places import places
from amphora.system.files import locked

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

_PATIENCE = 60

#: Takes sixty megabytes, in files that are in memory.
GREEDY = "FROM busybox\nRUN head -c 60000000 /dev/zero > /dev/shm/held\n"

#: Takes without end; the kernel is to choose it, and not the shell that waits for `wc` alone.
HIDDEN = """\
FROM busybox
RUN (echo 1000 > /proc/self/oom_score_adj; tail -n 1 /dev/zero) | wc -c
"""

#: Takes thirty, and holds them until both builds do.
HOLDING = """\
FROM busybox
ARG NAME
RUN --mount=type=cache,id=both,target=/c \
    head -c 30000000 /dev/zero > /dev/shm/held && touch /c/$NAME && \
    while [ ! -e /c/one ] || [ ! -e /c/two ]; do sleep 0.1; done
"""


@pytest.fixture
def program(seeded):
    """The program, which no variable leads to a store."""
    return replace(seeded, environment={"AMPHORA_STORE": ""})


def needs(*controllers):
    lacking = set(controllers) - places().keys()
    if os.getuid() != 0 or lacking:
        pytest.skip(f"no control groups for {', '.join(lacking) or 'whoever is not root'}")


def make(program, archive, *limits):
    """A builder `it` that has busybox."""
    program.ok("builder", "create", "--name=it", "--bootstrap", *limits)
    with archive.open("rb") as file:
        import_archive(Store(program.home / "builders/it/store"), file)


def groups():
    tops = {place.top for place in places().values()}
    return [path for top in tops for path in top.glob("amphora.it-*")]


def start(program, *arguments):
    return subprocess.Popen(
        program.command(*arguments),
        env=program.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_memory(program, context, busybox_archive):
    needs("memory")
    make(program, busybox_archive, "--memory=32m")
    shown = json.loads(program.ok("builder", "inspect", "it", "--format=json"))
    assert (shown["memory"], shown["cpus"]) == (32 << 20, None)
    assert "32m" in program.ok("builder", "ls")
    stored = replace(program, environment={"AMPHORA_STORE": str(program.store)})
    stored.ok("build", context(GREEDY))
    failed = program("build", "--builder=it", context(GREEDY))
    assert failed.returncode == 12
    assert "the kernel killed a program of it for want of memory" in failed.stderr
    assert "the builder it has 32m for all containers of its builds together" in failed.stderr
    program.ok("build", "--builder=it", context(GREEDY.replace("60000000", "6000000")))
    # What a shell does not tell: the RUN succeeds.
    told = program("build", "--builder=it", "--progress=plain", context(HIDDEN))
    assert told.returncode == 0, told.stderr
    assert "killed a program of it for want of memory" in told.stderr
    baked = program("bake", "--builder=it", cwd=_bakes(context(GREEDY)))
    assert baked.returncode == 12
    assert "want of memory" in baked.stderr
    assert groups() == []


def _bakes(directory):
    (directory / "docker-bake.json").write_text('{"target": {"default": {}}}')
    return directory


def test_two_builds_together_have_the_memory_of_one(program, context, busybox_archive):
    """Each holds what the builder has enough of for one, until both do: they never do."""
    needs("memory")
    make(program, busybox_archive, "--memory=48m")
    directory = context(HOLDING)
    builds = [
        start(program, "build", "--builder=it", f"--build-arg=NAME={name}", directory)
        for name in ("one", "two")
    ]
    deadline = time.monotonic() + _PATIENCE
    while all(build.poll() is None for build in builds):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    failed = next(build for build in builds if build.poll() is not None)
    output, _ = failed.communicate()
    assert failed.returncode == 12, output
    assert "for want of memory: the builder it has 48m" in output
    program.ok("builder", "stop", "it")
    for build in builds:
        build.communicate(timeout=_PATIENCE)
    program.ok("builder", "rm", "it")


def test_cpus(program, context, busybox_archive):
    """A tenth of a CPU: what takes a second of it is not done after two."""
    needs("cpu")
    make(program, busybox_archive, "--cpus=0.1")
    spin = "timeout 2 sh -c 'while :; do :; done'; times > /times"
    directory = context(
        f"FROM busybox AS one\nRUN {spin}\nFROM scratch\nCOPY --from=one /times /\n"
    )
    out = directory.parent / "out"
    program.ok("build", "--builder=it", "-o", out, directory)
    user, system = (_seconds(word) for word in (out / "times").read_text().split()[-2:])
    assert 0.05 < user + system < 0.8


def _seconds(text):
    minutes, _, seconds = text.removesuffix("s").partition("m")
    return 60 * int(minutes) + float(seconds)


def test_what_cannot_be_kept_is_not_promised(program, context):
    """On a machine without control groups, also for a builder that was made with them."""
    each = "while read top; do mount -t tmpfs none $top; done"
    script = f"""awk '/ - cgroup/ {{print $5}}' /proc/self/mountinfo | {each}; exec "$@" """
    bare = replace(program, prefix=("unshare", "--mount", "sh", "-ec", script, "sh"))
    refused = bare("builder", "create", "--name=it", "--memory=1g", "--cpus=2")
    assert refused.returncode == 26
    assert "memory and CPUs cannot be limited here" in refused.stderr
    assert "no hierarchy of control groups here has that" in refused.stderr
    assert "systemd-run" in refused.stderr
    bare.ok("builder", "create", "--name=free", "--jobs=2")
    needs("memory")
    program.ok("builder", "create", "--name=it", "--memory=1g")
    for arguments in (
        ("build", "--builder=it", context("FROM scratch\nCOPY Dockerfile /\n")),
        ("builder", "inspect", "--bootstrap", "it"),
    ):
        assert bare(*arguments).returncode == 26


def test_below_another_group(program, seeded, context):
    needs("pids")
    parent = places()["pids"].top / f"parent-{os.getpid()}"
    (parent / "inner").mkdir(parents=True)
    name = f"/{parent.name}/inner"
    try:
        directory = context("FROM busybox\nRUN cat /proc/self/cgroup && false\n")
        shown = seeded("build", "--cgroup-parent", name, "--progress=plain", directory)
        assert f"{name}/amphora." in shown.stdout + shown.stderr
        assert [path for path in (parent / "inner").iterdir() if path.is_dir()] == []
        (parent / "inner/pids.max").write_text("8")
        directory = context("FROM busybox\nRUN for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & done\n")
        few = seeded("build", "--cgroup-parent", name, "--progress=plain", directory)
        assert "can't fork" in few.stdout + few.stderr
    finally:
        (parent / "inner").rmdir()
        parent.rmdir()


def test_a_parent_that_cannot_be(program, seeded, context):
    needs("memory")
    directory = context("FROM scratch\nCOPY Dockerfile /\n")
    absent = seeded("build", "--cgroup-parent=/amphora-is-not-there", directory)
    assert absent.returncode == 26
    assert "there is no control group /amphora-is-not-there" in absent.stderr
    program.ok("builder", "create", "--name=it", "--memory=1g")
    both = program("build", "--builder=it", "--cgroup-parent=/x", directory)
    assert both.returncode == 10
    assert "the builder it has limits" in both.stderr


def test_an_ordinary_user(started_by_user, busybox_archive, tmp_path):
    """A builder of its own; limits where groups are delegated, and else a refusal."""
    program = started_by_user(busybox_archive)
    program = replace(program, environment={"AMPHORA_STORE": ""})
    context = program.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN chown mail /tmp && echo hi > /hi\n")
    program.ok("builder", "create", "--name=mine", "--use", "--bootstrap")
    with_image = program.home / "builders/mine/store"
    subprocess.run(["cp", "-a", f"{program.store}/.", with_image], check=True)
    program.ok("build", "-t", "it", context)
    assert program.ok("run", "it", "cat", "/hi") == "hi\n"
    limited = program("builder", "create", "--name=limited", "--memory=1g")
    assert limited.returncode in {0, 26}
    assert (limited.returncode == 0) == ("limited" in program.ok("builder", "ls", "-q").split())
    record = {"name": "mine", "created": "2026-11-21T12:00:00Z", "memory": 1 << 30}
    (program.home / "builders/mine/builder.json").write_text(json.dumps(record))
    lock = program.home / "builders/mine/.limits"
    lock.touch()
    os.chown(lock, *(program.home.stat()[4:6]))
    with locked(lock):
        waiting = start(program, "build", context)
        assert "waits for another build of mine" in waiting.stdout.readline()
    waiting.communicate(timeout=_PATIENCE)
    assert waiting.returncode == limited.returncode
    parent = program("build", "--cgroup-parent=/", context)
    assert parent.returncode == 10
    assert program.ok("builder", "rm", "mine") == "mine\n"
    assert not (program.home / "builders/mine").exists()
