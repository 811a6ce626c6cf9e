"""Which engine of this machine takes an image."""

import pytest

from amphora.cli import loading


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Put a program of that name in the place of whatever engines there are."""

    def install(script):
        program = tmp_path / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


def test_docker_is_asked_what_it_keeps(docker):
    docker("""echo '[["driver-type","io.containerd.snapshotter.v1"]]'""")
    assert loading.find_engine().several
    docker("echo null")
    assert not loading.find_engine().several


def test_a_docker_that_does_not_answer_is_not_waited_for(docker, monkeypatch):
    monkeypatch.setattr(loading, "_PATIENCE", 0.2)
    docker("exec /bin/sleep 1000")
    assert loading.find_engine() is None
