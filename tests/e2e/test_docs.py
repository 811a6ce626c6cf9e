"""The documents are true: commands are run as they stand, generated pages are current."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^```console(?P<background> background)?\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)


def test_the_settings_page_is_current():
    specification = importlib.util.spec_from_file_location(
        "settings_page", ROOT / "docs/settings.py"
    )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert (ROOT / "docs/settings.md").read_text() == module.page()


@pytest.mark.privileged
@pytest.mark.e2e
def test_every_command_of_getting_started_works(amphora, tmp_path):
    page = (ROOT / "docs/getting-started.md").read_text()
    blocks = list(_BLOCK.finditer(page))
    assert len(blocks) >= 7
    port = _free_port()
    servers = []
    try:
        for block in blocks:
            for line in _commands(block["text"].replace("5000", str(port))):
                if block["background"]:
                    servers.append(_start(amphora, line, tmp_path))
                    _wait_for(port)
                else:
                    _run(amphora, line, tmp_path)
    finally:
        for server in servers:
            server.terminate()
            server.communicate()


@pytest.mark.privileged
@pytest.mark.e2e
def test_the_commands_about_verifying_work(seeded, tmp_path):
    """On busybox: the page makes a base of Debian first, which another test does."""
    page = (ROOT / "docs/verify.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    lines = [line.replace("debian:trixie", "busybox") for line in lines if " base " not in line]
    assert len(lines) >= 4
    for line in lines:
        _run(seeded, line, tmp_path)
    assert "<testsuites" in (tmp_path / "verify.xml").read_text()


@pytest.mark.privileged
@pytest.mark.e2e
def test_every_command_about_building_works(amphora, tmp_path):
    page = (ROOT / "docs/build.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 15
    for line in lines:
        _run(amphora, line, tmp_path)


@pytest.mark.privileged
@pytest.mark.e2e
def test_every_command_about_caches_works(amphora, s3_server, tmp_path):
    s3_server.client().create_bucket(Bucket="ci-cache")
    page = (ROOT / "docs/caches.md").read_text().replace("http://localhost:9000", s3_server.url)
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 5
    for line in lines:
        _run(replace(amphora, environment=s3_server.environment), line, tmp_path)


@pytest.mark.privileged
@pytest.mark.e2e
def test_every_command_about_attestations_works(amphora, tmp_path):
    page = (ROOT / "docs/attestations.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 8
    for line in lines:
        _run(amphora, line, tmp_path)


@pytest.mark.privileged
@pytest.mark.e2e
def test_every_command_about_baking_works(amphora, tmp_path):
    page = (ROOT / "docs/bake.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 8
    for line in lines:
        _run(amphora, line, tmp_path)
    shown = re.search(r"^```hcl\n(?P<text>.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert (tmp_path / "shop/docker-bake.hcl").read_text() == shown["text"]
    assert (tmp_path / "shop/web.tar").stat().st_size


@pytest.mark.privileged
@pytest.mark.e2e
def test_the_commands_about_emulators_work(amphora, tmp_path):
    """One after the other, in a namespace with a table of its own and no init system."""
    page = (ROOT / "docs/emulator.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 6
    alone = "unshare --user --map-root-user --mount sh -ec"
    script = "\n".join(["mount -t tmpfs none /run", *(each.replace("sudo ", "") for each in lines)])
    _run(amphora, f"{alone} '{script}'", tmp_path)


@pytest.mark.privileged
@pytest.mark.e2e
def test_the_commands_about_running_work(seeded, tmp_path):
    page = (ROOT / "docs/run.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 20
    try:
        for line in lines:
            _run(seeded, line, tmp_path)
        assert json.loads(seeded.ok("ps", "-a", "--format", "json")) == []
        assert json.loads(seeded.ok("volume", "ls", "--format", "json")) == []
    finally:
        seeded("rm", "-f", "one")


@pytest.mark.privileged
@pytest.mark.e2e
def test_the_commands_about_the_doctor_work(seeded, tmp_path):
    """Whatever this machine's own state is: a problem is 25, and told."""
    page = (ROOT / "docs/doctor.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 8
    for line in lines:
        process = _start(seeded, line, tmp_path)
        output, _ = process.communicate()
        assert process.returncode in {0, 25}, f"{line}\n{output}"
        assert output


@pytest.mark.privileged
@pytest.mark.e2e
def test_every_command_about_builders_works(amphora, tmp_path):
    """With no variable that names a store."""
    file = amphora.home / ".config/amphora/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'store = "{amphora.store}"\n')
    page = (ROOT / "docs/builders.md").read_text()
    lines = [line for block in _BLOCK.finditer(page) for line in _commands(block["text"])]
    assert len(lines) >= 16
    for line in lines:
        _run(replace(amphora, environment={"AMPHORA_STORE": ""}), line, tmp_path)
    left = sorted(path.name for path in (amphora.home / "builders").iterdir())
    assert left == [".kept", ".lock"]


def _commands(text):
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


def _run(amphora, line, directory):
    done = _start(amphora, line, directory)
    output, _ = done.communicate()
    assert done.returncode == 0, f"{line}\n{output}"


def _start(amphora, line, directory):
    """As a person's shell would, in a directory with the examples in it."""
    if not (directory / "examples").exists():
        (directory / "examples").symlink_to(ROOT / "examples")
    path = f"{Path(amphora.command()[0]).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", "-c", line],
        cwd=directory,
        env={**amphora.environ(), "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    pytest.fail(f"nothing listens on port {port}")
