"""What the environment says to docker and buildx, as values."""

import os
import subprocess

import pytest

from amphora.cli.colours import Colours, read_colours
from amphora.cli.docker_environment import (
    default_platforms,
    is_on,
    provenance_told,
)
from amphora.cli.git_facts import told_of_git
from amphora.core.errors import InvalidValueError

REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
ENTRYPOINT = "com.docker.image.source.entrypoint"


def test_platforms():
    assert default_platforms({}) == default_platforms({"DOCKER_DEFAULT_PLATFORM": ""}) == ()
    found = default_platforms({"DOCKER_DEFAULT_PLATFORM": "linux/aarch64,amd64"})
    assert list(map(str, found)) == ["linux/arm64", "linux/amd64"]
    with pytest.raises(InvalidValueError, match="DOCKER_DEFAULT_PLATFORM: 'vax'"):
        default_platforms({"DOCKER_DEFAULT_PLATFORM": "vax"})


def test_switches():
    assert [is_on({"X": text}, "X") for text in ("1", "true", "T", "0", "False", "")] == [
        *(True, True, True, False, False, False)
    ]
    assert not is_on({}, "X")
    with pytest.raises(InvalidValueError, match="X cannot be 'yes'"):
        is_on({"X": "yes"}, "X")


@pytest.mark.parametrize(
    ("text", "told"),
    {"": "", "min": "min", "max": "max", "1": "min", "false": "none", "disabled": "none"}.items(),
)
def test_provenance_in_the_metadata(text, told):
    assert provenance_told({"BUILDX_METADATA_PROVENANCE": text}) == told


def test_provenance_in_the_metadata_is_of_a_mode():
    with pytest.raises(InvalidValueError, match="BUILDX_METADATA_PROVENANCE cannot be 'all'"):
        provenance_told({"BUILDX_METADATA_PROVENANCE": "all"})


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("", Colours()),
        ("run=cyan:error=magenta:cancel=blue", Colours(run="cyan", error="magenta")),
        ("warning=1,2,255:error=1,2,256:run=mauve", Colours(warning="rgb(1,2,255)")),
        ("run", Colours()),
        ("run=[bold]:error=1,2", Colours()),
    ],
)
def test_colours(text, colours):
    assert read_colours(text) == colours


@pytest.fixture
def repository(tmp_path, hub, monkeypatch):
    """A checkout with a Dockerfile in `sub`; its commit."""
    monkeypatch.setenv("HOME", str(tmp_path))
    commit = hub.commit("app", sub__Dockerfile="FROM scratch\n")
    return hub.directory / "app", commit


def test_labels_of_the_commit(repository, hub):
    directory, commit = repository
    context = directory / "sub"
    assert told_of_git(str(context), None, {}) == ({}, {})
    labels, vcs = told_of_git(str(context), None, {"BUILDX_GIT_LABELS": "1"})
    assert labels == {REVISION: commit, ENTRYPOINT: "sub/Dockerfile"}
    assert vcs == {}
    hub.git("app", "remote", "add", "origin", "https://me:secret@git.example/app.git")
    labels, _ = told_of_git(str(directory), str(context / "Dockerfile"), {"BUILDX_GIT_LABELS": "1"})
    assert SOURCE not in labels
    labels, vcs = told_of_git(
        str(directory), "/dev/null", {"BUILDX_GIT_LABELS": "full", "BUILDX_GIT_INFO": "1"}
    )
    assert labels == {REVISION: commit, SOURCE: "https://git.example/app.git"}
    assert vcs == {"revision": commit, "source": "https://git.example/app.git"}
    (context / "Dockerfile").write_text("FROM busybox\n")
    labels, _ = told_of_git(str(context), None, {"BUILDX_GIT_LABELS": "true"})
    assert labels[REVISION] == f"{commit}-dirty"


def test_what_is_no_repository_is_said(tmp_path, capsys):
    wanted = {"BUILDX_GIT_LABELS": "1"}
    assert told_of_git(str(tmp_path), None, wanted) == ({}, {})
    assert "WARN BUILDX_GIT_LABELS: " in capsys.readouterr().err
    assert told_of_git("https://git.example/app.git", None, wanted) == ({}, {})
    assert capsys.readouterr().err == ""
    with pytest.raises(InvalidValueError, match="BUILDX_GIT_LABELS cannot be 'some'"):
        told_of_git(str(tmp_path), None, {"BUILDX_GIT_LABELS": "some"})


def test_a_repository_has_no_program_started(repository, tmp_path):
    directory, _ = repository
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    subprocess.run(
        ["git", "-C", directory, "config", "core.fsmonitor", program],
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    told_of_git(str(directory), None, {"BUILDX_GIT_LABELS": "1"})
    assert not (tmp_path / "started").exists()
