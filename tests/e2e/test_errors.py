"""What goes wrong is said in three lines, with an exit status of its own and no traceback."""

import http.server
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from cpus import NATIVE

from amphora.core import errors
from amphora.oci.archive import import_archive
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounts on the host: needs root")
BOTH = "linux/amd64,linux/arm64"


def failure(amphora, error, *arguments):
    """Run a command that must fail with an error; returns the whole of what it said."""
    done = amphora(*arguments)
    assert done.returncode == error.exit_code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert re.search(r"^error: .+\n  why: .+\n next: .+\n\Z", done.stderr, re.MULTILINE)
    return done.stderr


@pytest.fixture
def closed_port():
    """A port that nobody listens on, kept from others meanwhile."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["build", "--platform", "linux/vax", "."], errors.InvalidValueError, "'vax'"),
        (["build", "-t", "Upper", "."], errors.InvalidValueError, "must be lower case"),
        (["build", "--label", "x", "."], errors.InvalidValueError, "NAME=VALUE"),
        (["build", "-o", "type=rar", "."], errors.InvalidValueError, "local, tar, oci, docker"),
        (["build", "--push", "."], errors.InvalidValueError, "without a name"),
        (["build", "missing-directory"], errors.ContextError, "missing-directory"),
        (["build", "-f", "missing-file", "."], errors.ContextError, "missing-file"),
        (["image", "inspect", "busybox@sha256:12"], errors.InvalidValueError, "64 lower-case"),
        (["image", "inspect", "nothing"], errors.NotFoundError, "nothing:latest"),
        (["image", "rm", "nothing"], errors.NotFoundError, "nothing:latest"),
        (["verify", "nothing"], errors.NotFoundError, "nothing:latest"),
        (["push", "localhost:1/nothing"], errors.NotFoundError, "amphora pull"),
        (["base", "create", "ubuntu:24.04"], errors.InvalidValueError, "debian:RELEASE"),
        (["--jobs", "none", "image", "ls"], errors.InvalidValueError, "--jobs"),
        (["--store", "here", "image", "ls"], errors.InvalidValueError, "absolute path"),
    ],
)
def test_what_cannot_be_is_refused(amphora, arguments, error, said):
    assert said in failure(amphora, error, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["image", "nonsense"],
        ["build", "--nonsense"],
        ["verify"],
        ["registry", "serve", "--port", "70000"],
    ],
)
def test_what_is_no_command_or_flag_is_a_usage_error(amphora, arguments):
    done = amphora(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: amphora")
    assert "Traceback" not in done.stderr


def test_bad_settings_name_where_they_come_from(amphora):
    amphora.environment["AMPHORA_JOBS"] = "0"
    assert "AMPHORA_JOBS" in failure(amphora, errors.InvalidValueError, "image", "ls")
    del amphora.environment["AMPHORA_JOBS"]
    file = amphora.home / ".config/amphora/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("colour = 'red'\n")
    assert "'colour'" in failure(amphora, errors.InvalidValueError, "image", "ls")
    file.write_text("store = \n")
    assert str(file) in failure(amphora, errors.InvalidValueError, "image", "ls")


def test_a_syntax_error_is_shown_with_file_line_and_caret(seeded, context):
    said = failure(seeded, errors.DockerfileError, "build", context("FROM busybox\nRUNN true\n"))
    excerpt, _, message = said.partition("error: ")
    lines = excerpt.splitlines()
    assert lines[0].endswith("/Dockerfile:2")
    assert lines[1].index("RUNN") == lines[2].index("^^^^")
    assert "did you mean RUN?" in message


def test_a_missing_source_of_copy_is_shown_with_a_caret(seeded, context):
    dockerfile = "FROM busybox\nCOPY here there /\n"
    said = failure(seeded, errors.ContextError, "build", context(dockerfile, here="x"))
    lines = said.splitlines()
    assert lines[1].index("there") == lines[2].index("^^^^^")
    assert "COPY cannot find 'there'" in said


def test_a_failing_run_ends_the_other_platform_too(seeded, context, remains):
    dockerfile = (
        "FROM busybox\nRUN if [ $(uname -m) = x86_64 ]; then echo so long; exit 7; fi;"
        " sleep amphora-failing-step 2>/dev/null || sleep 600\n"
    )
    said = failure(seeded, errors.StepFailedError, "build", "--platform", BOTH, context(dockerfile))
    assert "so long" in said
    assert f"failed on {NATIVE}\n  why: its command exited with status 7" in said
    remains.wait_for_processes("amphora-failing-step")
    assert not remains.files()


@pytest.mark.parametrize(
    ("base", "error", "said"),
    [
        ("127.0.0.1:{closed}/base", errors.RegistryUnreachableError, "no answer from 127.0.0.1:"),
        ("{registry}/base:1", errors.NotFoundError, "MANIFEST_UNKNOWN"),
        ("Wrong", errors.InvalidValueError, "lower case"),
    ],
)
def test_an_unknown_base_image_is_pointed_at(
    seeded, context, registry, closed_port, base, error, said
):
    name = base.format(closed=closed_port, registry=registry)
    whole = failure(seeded, error, "build", context(f"FROM {name} AS stage\nRUN true\n"))
    assert said in whole
    code, caret = whole.splitlines()[1:3]
    assert code.index(name) == caret.index("^" * len(name))


def test_a_platform_that_the_base_lacks_names_those_it_has(seeded, registry, context):
    name = f"{registry}/base"
    seeded.ok("build", "--platform", BOTH, "-t", name, "--push", context("FROM busybox\n"))
    directory = context(f"FROM {name}\nRUN true\n")
    said = failure(seeded, errors.NotFoundError, "build", "--platform", "linux/s390x", directory)
    assert "made for linux/amd64, linux/arm64" in said


def test_an_image_made_here_for_another_platform_is_told_of(seeded, closed_port, context):
    name = f"127.0.0.1:{closed_port}/mine"
    seeded.ok("build", "-t", name, "--platform=linux/amd64", context("FROM busybox\n"))
    directory = context(f"FROM {name}\n")
    error = errors.RegistryUnreachableError
    assert "made for linux/amd64)" in failure(
        seeded, error, "build", "--platform=linux/s390x", directory
    )


def test_an_unreachable_registry(seeded, closed_port, context):
    name = f"127.0.0.1:{closed_port}/image"
    assert name.partition("/")[0] in failure(seeded, errors.RegistryUnreachableError, "pull", name)
    failure(
        seeded,
        errors.RegistryUnreachableError,
        *("build", "-t", name, "--push", context("FROM busybox\n")),
    )
    # The image is there for the next try.
    failure(seeded, errors.RegistryUnreachableError, "push", name)


_SERVE_WITH_USERS = """
import asyncio, pathlib, sys
from amphora.registry.server.run import serve
ready = lambda port: print(port, flush=True)
asyncio.run(serve(pathlib.Path(sys.argv[1]), on_ready=ready, users={"ann": "secret"}))
"""


def test_a_wrong_password(seeded, tmp_path, context):
    command = [sys.executable, "-c", _SERVE_WITH_USERS, str(tmp_path / "registry")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            domain = f"127.0.0.1:{server.stdout.readline().strip()}"
            name = f"{domain}/image"
            seeded.ok("build", "-t", name, context("FROM busybox\n"))
            assert "no login was found" in failure(seeded, errors.RegistryAuthError, "push", name)
            login = seeded.home / ".docker/config.json"
            login.parent.mkdir()
            entry = '{"auths": {"%s": {"username": "ann", "password": "%s"}}}'
            login.write_text(entry % (domain, "guess"))
            said = failure(seeded, errors.RegistryAuthError, "push", name)
            assert "user 'ann' from " in said
            assert f"docker login {domain}" in said
            assert "guess" not in said
            login.write_text(entry % (domain, "secret"))
            seeded.ok("push", name)
        finally:
            server.kill()


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<html><title>Welcome</title></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *arguments):
        pass


def test_a_host_that_is_no_registry(seeded, context):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        name = f"127.0.0.1:{server.server_port}/image"
        assert name.partition("/")[0] in failure(seeded, errors.RegistryError, "pull", name)
        seeded.ok("build", "-t", name, context("FROM busybox\n"))
        failure(seeded, errors.RegistryError, "push", name)
        server.shutdown()


@needs_root
@pytest.mark.parametrize(
    ("program", "arguments", "error", "package"),
    [
        ("crun", ["build", "{context}"], errors.MissingToolError, "crun"),
        ("crun", ["verify", "busybox"], errors.MissingToolError, "crun"),
        (
            "qemu-aarch64-static",
            ["build", "--platform", BOTH, "{context}"],
            errors.UnsupportedPlatformError,
            "qemu-user-static",
        ),
        (
            "mmdebstrap",
            ["base", "create", "debian:trixie"],
            errors.MissingToolError,
            "mmdebstrap",
        ),
    ],
)
def test_a_missing_program_names_its_package(without, context, program, arguments, error, package):
    directory = context("FROM busybox\nRUN true\n")
    arguments = [argument.format(context=directory) for argument in arguments]
    said = failure(without(program), error, *arguments)
    assert f"{program} is not installed" in said
    assert said.endswith(f" next: sudo apt-get install {package}\n")


@contextmanager
def mounted(directory, options):
    directory.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    subprocess.run(command, check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def seed(amphora, archive):
    with archive.open("rb") as file:
        import_archive(Store(amphora.store), file)


@needs_root
@pytest.mark.parametrize(
    ("size", "dockerfile"),
    [
        pytest.param("3m", "FROM busybox\nRUN true\n", id="unpacking"),
        pytest.param("12m", "FROM busybox\nRUN head -c 20000000 /dev/zero > /x\n", id="running"),
        pytest.param("24m", "FROM busybox\nRUN head -c 14000000 /dev/urandom > /x\n", id="storing"),
        pytest.param("12m", "FROM busybox\nCOPY large /\n", id="copying"),
    ],
)
def test_a_full_disk(amphora, busybox_archive, context, tmp_path, size, dockerfile):
    directory = context(dockerfile, large="x" * 20_000_000 if "COPY" in dockerfile else "")
    with mounted(tmp_path / "small", f"size={size}") as small:
        program = replace(amphora, home=small)
        seed(program, busybox_archive)
        said = failure(program, errors.DiskFullError, "build", directory)
        assert "no space left on device" in said
        assert not list((small / "store/work").iterdir())
        program.ok("store", "check")


@needs_root
def test_a_disk_without_any_space(amphora, tmp_path):
    with mounted(tmp_path / "small", "size=32k") as small:
        failure(replace(amphora, home=small), errors.DiskFullError, "image", "ls")


@needs_root
def test_a_read_only_disk(amphora, busybox_archive, tmp_path):
    with mounted(tmp_path / "small", "size=8m") as small:
        program = replace(amphora, home=small)
        seed(program, busybox_archive)
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        for command in (["image", "ls"], ["store", "gc"], ["registry", "serve", "--port", "0"]):
            assert "read-only file system" in failure(program, errors.StoreError, *command)


def test_a_store_that_is_a_file(amphora):
    amphora.store.write_text("")
    assert str(amphora.store) in failure(amphora, errors.StoreError, "image", "ls")


def test_a_corrupted_blob_is_named(seeded):
    seeded.ok("store", "check")
    largest = max((seeded.store / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    done = seeded("store", "check")
    assert done.returncode == errors.StoreError.exit_code
    assert largest.name in done.stdout
    assert "1 problem" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_base_with_a_corrupted_layer_is_not_built_on(seeded, context):
    for blob in (seeded.store / "blobs/sha256").iterdir():
        if blob.stat().st_size > 100_000:
            blob.write_bytes(blob.read_bytes()[:-100])
    done = seeded("build", context("FROM busybox\nRUN true\n"))
    assert done.returncode in {
        errors.LayerError.exit_code,
        errors.DigestMismatchError.exit_code,
    }
    assert "Traceback" not in done.stderr
    assert not list((seeded.store / "snapshots").iterdir())
