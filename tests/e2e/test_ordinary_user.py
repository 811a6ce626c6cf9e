"""Without root: a user with subordinate IDs builds, verifies and removes all the same."""

import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from accounts import subordinate_ranges
from waiting import wait_until

from amphora.core import errors
from amphora.core.platform import Platform

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.e2e,
    pytest.mark.skipif(
        os.getuid() != 0, reason="whoever is not root is that user in every other test"
    ),
]

BOTH = "linux/amd64,linux/arm64"
DOCKERFILE = """\
FROM busybox AS made
RUN mkdir /made; for i in $(seq 50); do echo $i > /made/$i; done; chown -R mail:staff /made
FROM busybox
COPY data /data
COPY --from=made /made /made
RUN uname -m > /machine; id -u > /who; rm /bin/vi
USER mail
CMD ["sh", "-c", "cat /machine; id -u; stat -c %u:%g /made/7"]
"""


@pytest.fixture
def as_user(started_by_user, busybox_archive):
    """The program run by the user, `busybox:latest` in its store."""
    return started_by_user(busybox_archive)


def write_context(home, dockerfile=DOCKERFILE):
    directory = home / "context"
    directory.mkdir()
    (directory / "Dockerfile").write_text(dockerfile)
    (directory / "data").write_text("some data\n")
    return directory


def test_a_user_builds_verifies_and_removes(as_user, user, home):
    arguments = ("build", "--platform", BOTH, "-t", "it", "--format", "json", write_context(home))
    as_user.environment["SOURCE_DATE_EPOCH"] = "1700000000"
    built = json.loads(as_user.ok(*arguments))
    assert {step["ran"] for step in built["steps"]} == {"native", "emulated", "worker"}
    reports = json.loads(as_user.ok("verify", "--format", "json", "it"))
    assert [report["output"].split() for report in reports] == [
        ["x86_64", "8", "8:50"],
        ["aarch64", "8", "8:50"],
    ]
    assert_files_belong_to(user, home)
    assert str(home) not in Path("/proc/self/mountinfo").read_text()

    as_user.ok("image", "rm", "it")
    as_user.ok("store", "gc", "--cache")
    as_user.ok("store", "check")
    assert not list((as_user.store / "work").iterdir())
    again = json.loads(as_user.ok(*arguments))
    assert again["digest"] == built["digest"]


def assert_files_belong_to(user, home):
    """Everything in the store is the user's, or one of the user's subordinate IDs'."""
    owners = {path.lstat().st_uid for path in (home / "store").rglob("*")}
    subordinate = subordinate_ranges(user.pw_name, "uid")
    assert user.pw_uid in owners
    strangers = {
        uid for uid in owners - {user.pw_uid} if not any(uid in part for part in subordinate)
    }
    assert not strangers
    # mail, who is 8 inside, counted from the first subordinate ID, which is 1.
    assert subordinate[0][8 - 1] in owners


def test_a_user_builds_what_root_builds(as_user, seeded, home):
    directory = write_context(home)
    digests = set()
    for program in (as_user, seeded):
        program.environment["SOURCE_DATE_EPOCH"] = "1700000000"
        digests.add(program.ok("build", "-q", "--platform", BOTH, directory))
    assert len(digests) == 1


def test_a_user_gets_the_files_of_an_image(as_user, user, home):
    context = write_context(home, "FROM busybox\nCOPY --chown=8:12 --chmod=640 data /data\n")
    tar, told = home / "files.tar", home / "told.json"
    outputs = ("-o", home / "out", "-o", f"type=tar,dest={tar}", "--metadata-file", told)
    as_user.ok("build", *outputs, context)
    made = [home / "out", *(home / "out").rglob("*"), tar, told]
    assert {path.lstat().st_uid for path in made} == {user.pw_uid}
    assert (home / "out/data").read_text() == "some data\n"
    with tarfile.open(tar) as archive:
        assert (archive.getmember("data").uid, archive.getmember("data").gid) == (8, 12)
    shutil.rmtree(home / "out")


RUN_DOCKERFILE = """\
FROM busybox
RUN --mount=type=bind,target=/in,rw --mount=type=cache,target=/cache,uid=8 \
    --mount=type=secret,id=s,uid=8 --mount=type=tmpfs,target=/t \
    cat /in/data /run/secrets/s > /all; touch /in/new /cache/new; stat -c %u /cache >> /all
RUN --network=none ip -o link | wc -l > /none
RUN ip -o link | wc -l > /links; ip -o addr show dev lo > /lo
"""


def test_a_user_has_mounts_and_networks(as_user, home):
    """Where /dev/net/tun is everybody's, as udev makes it, the network is one of its own."""
    directory = write_context(home, RUN_DOCKERFILE)
    as_user.environment["s"] = "secret"
    arguments = ("build", "--secret=id=s", "--no-cache", "-t", "it", "--progress=plain", directory)
    script = """
        mount -t tmpfs -o dev,mode=755 none /dev/net &&
        mknod -m MODE /dev/net/tun c 10 200 && exec "$@"
    """
    for mode, warned in (("666", False), ("600", True)):
        prefix = ("unshare", "--mount", "sh", "-ec", script.replace("MODE", mode), "sh")
        done = replace(as_user, prefix=(*prefix, *as_user.prefix))(*arguments)
        assert done.returncode == 0, done.stderr
        assert ("commands run on the host's network: pasta" in done.stderr) == warned, done.stderr
    assert not (directory / "new").exists()
    # Files of other users are measured and removed, too.
    (mount,) = json.loads(as_user.ok("builder", "du", "--filter=mutable", "--format=json"))[
        "records"
    ][:1]
    assert mount["size"] > 0
    as_user.ok("builder", "prune", "--all", "--force")
    assert json.loads(as_user.ok("builder", "du", "--format=json"))["records"] == []
    assert as_user.ok("store", "cache-mounts", "--format=json") == "[]\n"
    as_user.ok("store", "gc", "--cache", "--cache-mounts")
    assert as_user.ok("run", "--rm", "it", "cat", "/all") == "some data\nsecret8\n"


@pytest.mark.parametrize("platform", BOTH.split(","))
def test_a_user_runs_containers(as_user, user, home, platform):
    """Whoever is root in there is the user outside; and others can get in as well."""
    data = home / "data"
    data.mkdir()
    shutil.chown(data, user.pw_uid, user.pw_gid)
    text = "id -u; touch /d/mine /d/mails; chown mail /d/mails; echo > /d/begun; exec sleep 600"
    flags = ("--platform", platform, "--name=it", "-v", f"{data}:/d")
    process = subprocess.Popen(
        as_user.command("run", *flags, "busybox", "sh", "-c", text),
        env=as_user.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        while "it" not in as_user.ok("ps") or not (data / "begun").exists():
            assert process.poll() is None
        assert as_user.ok("exec", "-u", "mail", "it", "id", "-u") == "8\n"
        as_user.ok("stop", "-t", "0", "it")
        assert process.stdout.read() == "0\n"
    # The first process of a container ignores what it does not handle; QEMU in its place ends
    # itself by it, if it is not killed before.
    assert process.returncode in ({137} if platform == str(Platform.host()) else {137, 143})
    assert (data / "mine").stat().st_uid == user.pw_uid
    assert (data / "mails").stat().st_uid == subordinate_ranges(user.pw_name, "uid")[0][8 - 1]
    assert str(home) not in Path("/proc/self/mountinfo").read_text()
    assert not list((as_user.store / "work").iterdir())


def test_a_user_verifies_health_and_owners(as_user, home):
    lines = (
        *("FROM busybox", "RUN echo > /owned && chown mail:staff /owned", "USER mail"),
        *(
            "HEALTHCHECK --interval=100ms CMD test $(id -u) = 8",
            'CMD ["httpd", "-f", "-p", "8080"]',
        ),
    )
    as_user.ok("build", "--platform", BOTH, "-t", "it", write_context(home, "\n".join(lines)))
    tests = home / "tests.yaml"
    tests.write_text(
        "schemaVersion: 2.0.0\n"
        "fileExistenceTests: [{name: owner, path: /owned, uid: 8, gid: 50}]\n"
        "portTests: [{name: it serves, ports: [8080]}]\n"
    )
    flags = ("--format", "json", "--health", "--tests", tests)
    for report in json.loads(as_user.ok("verify", "it", *flags)):
        assert (report["health"], report["problem"]) == ("healthy", None)
        assert [test["result"] for test in report["tests"]] == ["passed", "passed"]
    assert not list((as_user.store / "work").iterdir())


@pytest.mark.parametrize("tool", ["newuidmap", "newgidmap"])
def test_a_missing_helper_names_its_package(as_user, without, home, tool):
    program = replace(as_user, prefix=(*without(tool).prefix, *as_user.prefix))
    done = program("build", write_context(home))
    assert done.returncode == errors.MissingToolError.exit_code
    assert f"{tool} is not installed" in done.stderr
    assert "sudo apt-get install uidmap" in done.stderr


def test_a_user_without_subordinate_ids_is_told_the_command(as_user, home):
    script = 'mount --bind /dev/null /etc/subuid && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-ec", script, "sh", *as_user.prefix)
    done = replace(as_user, prefix=prefix)("build", write_context(home))
    assert done.returncode == errors.NamespaceError.exit_code
    assert " next: sudo usermod --add-subuids " in done.stderr


def test_a_user_sees_the_doctor(as_user):
    """All that can be proven without root, and what a missing /etc/subuid would be."""
    told = json.loads(as_user("doctor", "--format", "json").stdout)
    results = {check["check"]: check["result"] for check in told["checks"]}
    names = ("newuidmap", "newgidmap", "user IDs", "group IDs", "worker", "overlay", "store")
    assert {results[name] for name in (*names, *BOTH.split(","))} == {"ok"}
    assert {results[f"container for {platform}"] for platform in BOTH.split(",")} == {"ok"}
    assert "runs here" in as_user.ok("doctor", "busybox")

    script = 'mount --bind /dev/null /etc/subuid && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-ec", script, "sh", *as_user.prefix)
    done = replace(as_user, prefix=prefix)("doctor", "--format", "json")
    assert done.returncode == errors.UnhealthyError.exit_code
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    for name in ("user IDs", "worker"):
        assert checks[name]["result"] == "problem"
        assert "sudo usermod --add-subuids " in checks[name]["command"]
    assert checks["group IDs"]["result"] == "ok"


@pytest.mark.parametrize("flag", ["", "u-s"])
def test_a_helper_without_its_rights_is_a_problem(as_user, flag, tmp_path):
    """A copy of newuidmap without the set-uid bit, or on a file system that ignores it."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = "mode=755" if flag else "mode=755,nosuid"
    script = f"""
        mount -t tmpfs -o {options} none {scratch}
        cp -p /usr/bin/newuidmap {scratch}/newuidmap
        chmod {flag or "u+s"} {scratch}/newuidmap
        mount --bind {scratch}/newuidmap /usr/bin/newuidmap
        exec "$@"
    """
    prefix = ("unshare", "--mount", "sh", "-ec", script, "sh", *as_user.prefix)
    done = replace(as_user, prefix=prefix)("doctor", "--format", "json")
    assert done.returncode == errors.UnhealthyError.exit_code
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["newuidmap"]["result"] == checks["worker"]["result"] == "problem"
    expected = "sudo apt-get install --reinstall uidmap" if flag else "sudo mount -o remount,suid"
    assert checks["newuidmap"]["command"].startswith(expected)


def test_the_store_of_somebody_else_is_refused(as_user, seeded, home):
    seeded.home.chmod(0o755)
    shutil.copytree(seeded.store, home / "roots", copy_function=shutil.copy)
    as_user.environment["AMPHORA_STORE"] = str(home / "roots")
    for arguments in (
        ("image", "ls"),
        ("build", write_context(home)),
        ("store", "gc"),
        ("store", "check"),
        ("image", "rm", "busybox"),
    ):
        done = as_user(*arguments)
        assert done.returncode == errors.StoreError.exit_code, done.stderr
        assert "permission denied" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_context_out_of_reach_is_said(as_user, tmp_path):
    done = as_user("build", tmp_path)
    assert done.returncode == errors.ContextError.exit_code
    assert "a directory above it may not be entered" in done.stderr


def test_a_user_runs_in_the_background(as_user, user):
    """With a volume, and limits, which an ordinary user has no control groups for."""
    text = "echo there; echo kept > /d/it; chown mail /d/it; "
    text += "trap 'exit 6' TERM; while :; do sleep 0.1; done"
    limits = ("--memory=64m", "--cpus=0.5", "--pids-limit=9")
    flags = ("-d", "--name=it", "-v", "data:/d", "--platform=linux/arm64", *limits)
    begun = as_user("run", *flags, "busybox", "sh", "-c", text)
    assert (begun.returncode, begun.stdout) == (0, "it\n"), begun.stderr
    notes = [line for line in begun.stderr.splitlines() if "cannot be limited" in line]
    for word in ("memory", "CPUs", "processes"):
        assert any(word in line for line in notes), begun.stderr
    assert all("systemd-run --user --scope -p Delegate=yes amphora run" in line for line in notes)
    try:
        wait_until(lambda: as_user.ok("exec", "it", "cat", "/d/it") == "kept\n")
        assert as_user.ok("logs", "it") == "there\n"
    finally:
        as_user.ok("stop", "-t", "60", "it")
    assert as_user.ok("wait", "it") == "6\n"
    owner = (as_user.store / "volumes/data/data/it").stat().st_uid
    assert owner == subordinate_ranges(user.pw_name, "uid")[0][8 - 1]
    assert as_user.ok("volume", "rm", "data") == "data\n"
    assert as_user.ok("rm", "it") == "it\n"


def test_what_crashes_in_qemu_ends_for_a_user_too(as_user):
    crash = ("sh", "-c", "kill -s SEGV $$")
    done = as_user("run", "--platform=linux/arm64", "busybox", *crash)
    assert done.returncode == 139
    assert "note: /bin/sh died of SIGSEGV in qemu-" in done.stderr
