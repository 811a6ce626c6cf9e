"""`amphora doctor` as a user would call it, on this machine and on such that are broken."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cpus import FOREIGN, HOST, MACHINES

from amphora.core import errors
from amphora.emulation.host.table import BinfmtTable
from amphora.system import syscalls

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

UNHEALTHY = errors.UnhealthyError.exit_code


def examined(amphora, *arguments):
    """The exit status, and all checks of a name: their results, and what they say."""
    done = amphora("doctor", "--format", "json", *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    checks: dict[str, list[tuple[str, str]]] = {}
    for check in json.loads(done.stdout)["checks"]:
        words = f"{check['seen']} | {check['command']}"
        checks.setdefault(check["check"], []).append((check["result"], words))
        assert bool(check["command"]) == (check["result"] != "ok"), check
    return done.returncode, checks


def elsewhere(amphora, script):
    """The program in a mount namespace in which a script has broken something."""
    return replace(
        amphora, prefix=("unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh")
    )


def test_what_works_is_proven(amphora):
    _, checks = examined(amphora)
    for name in (
        "worker",
        "overlay",
        "store",
        str(HOST),
        FOREIGN,
        f"container for {HOST}",
        f"container for {FOREIGN}",
    ):
        assert [result for result, _ in checks[name]] == ["ok"], checks[name]
    assert not list((amphora.store / "work").iterdir())


def test_the_table_tells_the_commands(amphora):
    done = elsewhere(amphora, f"rm -rf {amphora.store}; touch {amphora.store}")("doctor")
    assert done.returncode == UNHEALTHY
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["RESULT", "CHECK", "SEEN"]
    assert any(row.split()[:2] == ["ok", "worker"] for row in rows)
    assert any(row.startswith("problem   store") for row in rows)
    assert "TO MEND" in done.stdout
    assert "export AMPHORA_STORE=DIRECTORY" in done.stdout
    assert "error: this machine has" in done.stderr


def test_a_store_that_is_read_only(seeded):
    store = seeded.store
    script = f"mount --bind {store} {store}; mount -o remount,bind,ro {store}"
    status, checks = examined(elsewhere(seeded, script))
    assert status == UNHEALTHY
    ((result, words),) = checks["store"]
    assert result == "problem"
    assert "read-only file system" in words
    assert checks["containers"][0][0] == "warning"
    assert checks[FOREIGN][0][0] == "ok"


def test_an_emulator_that_is_broken(amphora):
    cpu = MACHINES[FOREIGN]
    path = Path(shutil.which(f"qemu-{cpu}-static")).resolve()
    status, checks = examined(elsewhere(amphora, f"mount --bind /bin/false {path}"))
    assert status == UNHEALTHY
    ((result, words),) = checks[FOREIGN]
    assert result == "problem"
    assert "apt-get install --reinstall qemu-user-static" in words
    assert checks[f"container for {HOST}"][0][0] == "ok"


@pytest.mark.parametrize(
    ("program", "check", "result", "package"),
    [
        ("crun", "containers", "problem", "crun"),
        ("pasta", "network of a container", "warning", "passt"),
    ],
)
def test_a_program_that_is_missing(without, program, check, result, package):
    _, checks = examined(without(program))
    ((found, words),) = checks[check]
    assert found == result
    assert f"sudo apt-get install {package}" in words


def test_files_of_docker_that_are_broken(amphora):
    (amphora.home / ".config/docker").mkdir(parents=True)
    (amphora.home / ".config/docker/daemon.json").write_text('{"debug": true,}\n')
    (amphora.home / ".docker").mkdir()
    (amphora.home / ".docker/config.json").write_text('{"credsStore": "gone"}\n')
    status, checks = examined(amphora)
    assert status == UNHEALTHY
    assert "daemon.json does not parse" in checks["docker"][0][1]
    assert "docker-credential-gone" in checks["logins"][0][1]


def test_a_home_that_is_nowhere(amphora):
    program = replace(amphora, environment={"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/none"})
    _, checks = examined(program)
    assert checks["worker"][0][0] == "ok"


def test_a_namespace_of_one_user_is_a_problem_with_a_cure(amphora):
    alone = ("unshare", "--user", "--map-root-user", "--mount")
    status, checks = examined(replace(amphora, prefix=alone))
    assert status == UNHEALTHY
    ((result, words),) = checks["worker"]
    assert result == "problem"
    assert "leave it" in words
    assert checks["user IDs"][0][0] == "warning"


def test_a_registry_that_is_named(amphora, registry):
    _, checks = examined(amphora, "--registry", registry)
    assert checks[f"registry {registry}"][0][0] == "ok"
    status, checks = examined(amphora, "--registry", "127.0.0.1:1")
    assert status == UNHEALTHY
    assert checks["registry 127.0.0.1:1"][0][0] == "problem"


@pytest.fixture
def alone(in_worker):
    """Call a function where /run and the table of emulators are nobody else's: `--fix` is real.

    In user namespaces of our own; whoever looks up docker finds one that does not answer.
    """

    def call(function):
        def inside():
            syscalls.mount("none", Path("/run"), "tmpfs")
            Path("/run/bin").mkdir()
            Path("/run/none").mkdir()
            Path("/run/bin/docker").write_text("#!/bin/sh\nexit 1\n")
            Path("/run/bin/docker").chmod(0o755)
            for place in filter(Path.is_dir, (Path("/etc/binfmt.d"), Path("/usr/lib/binfmt.d"))):
                syscalls.mount("/run/none", place, None, syscalls.MS_BIND)
            syscalls.mount("none", Path("/proc/sys/fs/binfmt_misc"), "binfmt_misc")
            return function()

        return in_worker(inside)

    return call


def fixed(amphora, *flags):
    """The checks, as `name: result`, and what was said of fixes."""
    path = f"/run/bin:{os.environ['PATH']}"
    done = replace(amphora, environment={"PATH": path})("doctor", "--format", "json", *flags)
    told = json.loads(done.stdout)
    return {each["check"]: each["result"] for each in told["checks"]}, done.stderr.splitlines()


def test_leftovers_are_swept_only_when_told_to(amphora, alone):
    for name in ("dead", "gone"):
        (amphora.store / f"work/{name}").mkdir(parents=True)
        (amphora.store / f"work/{name}.lock").touch()

    def look():
        left = []
        for flags in ((), ("--fix", "--dry-run"), ("--fix",), ()):
            checks, said = fixed(amphora, *flags)
            count = len(list((amphora.store / "work").glob("*.lock")))
            left.append((count, checks.get("leftovers"), said))
        return left

    idle, dry, done, after = alone(look)
    assert idle[:2] == dry[:2] == (2, "warning")
    assert any(line.startswith(f"would fix: sweep {amphora.store}") for line in dry[2])
    assert done[:2] == (0, None)
    assert any("2 workspaces removed" in line for line in done[2])
    assert after[:2] == (0, "ok")


def test_emulators_of_the_machine_are_registered_when_told_to(amphora, alone):
    def look():
        dry = fixed(amphora, "--fix", "--dry-run")
        nothing = BinfmtTable().entries()
        return dry, nothing, fixed(amphora, "--fix"), fixed(amphora, "--fix")

    (before, planned), nothing, (after, said), (_, again) = alone(look)
    name = "binfmt_misc of this machine"
    assert before[name] == "warning"
    assert nothing == []
    assert any(line.startswith(f"would fix: register {FOREIGN}") for line in planned)
    assert any(line.startswith(f"fix: register {FOREIGN}") for line in said)
    assert name not in after
    assert after[f"{FOREIGN} on this machine"] in {"ok", "warning"}
    assert not any("register" in line for line in again)


@pytest.mark.parametrize(
    ("words", "symptom"),
    [
        (["exec", "format", "error"], "exec-format-error"),
        (["exit code 139"], "exit-139"),
        (["132"], "exit-132"),
        (["unknown/unknown"], "attestations-in-the-index"),
        (["aarch64 in a nodeSelector"], "kernel-name-as-architecture"),
        (["toomanyrequests"], "too-many-requests"),
        (["ImagePullBackOff"], "image-cannot-be-pulled"),
        (["x" * 5000 + "/"], None),
        (["nothing", "known"], None),
        (["a\nb"], None),
    ],
)
def test_words(amphora, words, symptom):
    done = amphora("doctor", "--format", "json", *words)
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)["findings"]
    assert [each["symptom"] for each in found] == ([symptom] if symptom else [])
    assert done.returncode == (0 if symptom else errors.NotFoundError.exit_code)


def test_a_log_on_standard_input_or_in_a_file(amphora, tmp_path):
    log = tmp_path / "build.log"
    log.write_text("fine\n#9 \x1b[31mqemu: uncaught target signal 11 (Segmentation fault)\n" * 2)
    with log.open() as stdin:
        done = subprocess.run(
            amphora.command("doctor", "-"),
            env=amphora.environ(),
            stdin=stdin,
            capture_output=True,
            text=True,
            check=True,
        )
    for told in (done.stdout, amphora.ok("doctor", log)):
        first, *rest = told.splitlines()
        assert first.startswith("qemu-segmentation-fault (line 2, 2 times): #9 qemu: uncaught")
        assert [line.split()[0] for line in rest] == ["cause", "why", "mend", "see"]
        assert "\x1b" not in told


def test_a_dockerfile(amphora, tmp_path, context):
    lines = [
        "FROM debian",
        "RUN curl -O https://example.org/tool-amd64.tgz",
        "RUN echo $TARGETARCH",
    ]
    directory = context("\n".join(lines))
    for what in (directory, directory / "Dockerfile"):
        done = amphora("doctor", what)
        assert done.returncode == UNHEALTHY
        assert "Dockerfile:2   DownloadOfOnePlatform" in done.stdout
        assert "Dockerfile:3   PlatformArgNotDeclared" in done.stdout
    found = json.loads(amphora("doctor", "--format", "json", directory).stdout)
    assert [each["line"] for each in found["findings"]] == [2, 3]
    (directory / "Dockerfile").write_text("FROM debian\n")
    assert "nothing in it is for one platform only" in amphora.ok("doctor", directory)
    (directory / "other.txt").write_text("# a comment\n\nFROM debian\nNONSENSE\n")
    assert amphora("doctor", directory / "other.txt").returncode == errors.DockerfileError.exit_code


def test_an_image_of_the_store_and_of_a_registry(seeded, registry, context):
    assert "runs here, emulated" in seeded.ok("doctor", "busybox")
    name, both = f"{registry}/it:1", "linux/amd64,linux/arm64"
    seeded.ok("build", "--platform", both, "--push", "-t", name, context("FROM busybox\n"))
    for forget in (False, True):
        if forget:
            seeded.ok("image", "rm", name)
        told = json.loads(seeded.ok("doctor", "--format", "json", name))
        assert [(each["check"], each["result"]) for each in told["checks"]] == [
            ("linux/amd64", "ok"),
            ("linux/arm64", "ok"),
        ]
    done = seeded("doctor", f"{registry}/no-such:1")
    assert done.returncode == errors.NotFoundError.exit_code


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dry-run",),
        ("--fix", "exec format error"),
        ("--registry", "ghcr.io", "139"),
        ("--registry", "https://ghcr.io"),
        ("--registry", "x"),
    ],
)
def test_flags_that_contradict(amphora, arguments):
    done = amphora("doctor", *arguments)
    assert done.returncode == errors.InvalidValueError.exit_code
    assert " next: " in done.stderr
