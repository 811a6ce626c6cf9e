"""`amphora bake`, as far as it builds nothing."""

import io
import json
import sys

import click
import pytest

from amphora.bake.files import File
from amphora.bake.load import load
from amphora.bake.resolve import resolve
from amphora.cli.bake_targets import read_targets
from amphora.cli.commands import bake
from amphora.cli.main import cli
from amphora.core.errors import BakeError, InvalidValueError

_FILE = """
variable "TAG" {
  default = "1"
  description = "The tag"
}
target "app" {
  description = "The app"
  tags = ["app:${TAG}"]
}
target "_private" {}
group "default" { targets = ["app"] }
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run it in a directory with a bake file; returns what it prints."""
    monkeypatch.chdir(tmp_path)
    for name in ("TAG", "SOURCE_DATE_EPOCH", "BUILDX_BAKE_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "docker-bake.hcl").write_text(_FILE)

    def run(*arguments):
        cli.main(["bake", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return run


def _printed(text):
    return json.loads(text)["target"]


def test_targets_and_variables_are_listed(run):
    assert run("--list", "targets").splitlines() == [
        "TARGET    DESCRIPTION",
        "app       The app",
        "default   app",
    ]
    assert run("--list", "variables").splitlines()[1].split() == [
        "TAG",
        "string",
        "1",
        "The",
        "tag",
    ]
    assert json.loads(run("--list", "targets", "--format", "json"))[0]["name"] == "app"
    assert json.loads(run("--list", "type=variables,format=json"))[0]["value"] == "1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--list", "nothing"),
        ("--list", "type=targets,format=xml"),
        ("--list", "type=targets,more=1"),
        ("--list", "targets", "--print"),
        ("--call", "nothing"),
        ("--allow", "everything"),
        ("--metadata-file", "no/such/directory"),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments):
    with pytest.raises(InvalidValueError):
        run(*arguments)


def test_files_may_be_named_in_the_environment(run, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / f"{name}.hcl").write_text(f'target "app" {{ args = {{ {name} = 1 }} }}')
    monkeypatch.setenv("BUILDX_BAKE_FILE", "one.hcl: two.hcl")
    assert _printed(run("--print", "app"))["app"]["args"] == {"one": "1", "two": "1"}
    assert "args" not in _printed(run("--print", "-f", "docker-bake.hcl", "app"))["app"]
    monkeypatch.setenv("BUILDX_BAKE_PATH_SEPARATOR", "@")
    monkeypatch.setenv("BUILDX_BAKE_FILE", "one.hcl@two.hcl")
    assert len(_printed(run("--print", "app"))["app"]["args"]) == 2


def test_a_file_may_come_from_standard_input(run, monkeypatch):
    given = io.TextIOWrapper(io.BytesIO(b'target "piped" {}'))
    monkeypatch.setattr(sys, "stdin", given)
    assert list(_printed(run("--print", "-f", "-", "piped"))) == ["piped"]


def test_a_variable_counts_more_than_the_environment(run, monkeypatch):
    assert _printed(run("--print"))["app"]["tags"] == ["app:1"]
    monkeypatch.setenv("TAG", "2")
    assert _printed(run("--print"))["app"]["tags"] == ["app:2"]
    assert _printed(run("--print", "--var", "TAG=3"))["app"]["tags"] == ["app:3"]


def test_short_flags_are_overrides(run):
    assert _printed(run("--print", "--load"))["app"]["output"] == [{"type": "docker"}]
    [provenance] = _printed(run("--print", "--provenance=mode=max"))["app"]["attest"]
    assert provenance == {"type": "provenance", "mode": "max"}
    found = _printed(run("--print", "--push", "--no-cache", "--pull", "--sbom=true", "--check"))
    assert found["app"] | {"tags": []} == {
        "description": "The app",
        "attest": [{"type": "sbom"}],
        "context": ".",
        "dockerfile": "Dockerfile",
        "tags": [],
        "output": [{"push": "true", "type": "image"}],
        "pull": True,
        "no-cache": True,
        "call": "check",
    }


def test_the_time_of_the_environment_is_an_argument(run, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "123")
    assert _printed(run("--print"))["app"]["args"] == {"SOURCE_DATE_EPOCH": "123"}
    found = _printed(run("--print", "--set", "app.args.SOURCE_DATE_EPOCH=5"))
    assert found["app"]["args"] == {"SOURCE_DATE_EPOCH": "5"}


def test_names_of_targets_complete(run):
    context = click.Context(bake.command)
    parameter = next(each for each in bake.command.params if each.name == "targets")
    found = parameter.type.shell_complete(context, parameter, "a")
    assert [item.value for item in found] == ["app"]
    context.params["files"] = ("nosuch.hcl",)
    assert parameter.type.shell_complete(context, parameter, "a") == []


def _target(run, text):
    found = load([File("f.hcl", f'target "app" {{\n{text}\n}}')], variables={}, environment={})
    return resolve(found.configuration, ("app",), {}).targets["app"]


def test_a_target_is_the_flags_of_a_build(run, tmp_path):
    (tmp_path / "secret").write_text("hidden")
    target = _target(
        run,
        """
context = "./sub/../here"
dockerfile = "Other"
target = "stage"
args = { A = "a=b, c", NONE = null, SOURCE_DATE_EPOCH = "7" }
labels = { l = "-x" }
tags = ["org/app:1"]
platforms = ["linux/arm64", "linux/amd64"]
contexts = { src = "./src/", base = "docker-image://alpine" }
secret = ["id=s,src=secret"]
output = [{ type = "oci", dest = "a,b.tar" }]
cache-from = ["org/cache"]
no-cache-filter = ["one", "two"]
extra-hosts = { db = "10.0.0.1" }
ulimits = ["nofile=10:20"]
shm-size = "1m"
pull = true
no-cache = true
""",
    )
    [build] = read_targets([target], ["--handoff=off"])
    request, wanted = build.request, build.wanted
    assert (request.context, request.dockerfile, request.target) == ("here", "here/Other", "stage")
    assert request.build_args == {"A": "a=b, c", "SOURCE_DATE_EPOCH": "7"}
    assert request.source_date_epoch == 7
    assert request.labels == {"l": "-x"}
    assert [str(each) for each in request.platforms] == ["linux/arm64", "linux/amd64"]
    assert request.build_contexts == {"src": "src", "base": "docker-image://alpine"}
    assert request.run.secrets == {"s": b"hidden"}
    assert request.run.hosts == {"db": "10.0.0.1"}
    assert request.no_cache_stages == ["one", "two"]
    assert (request.pull, request.use_cache, request.handoff) == (True, False, False)
    assert not request.any_platform
    assert [str(tag) for tag in wanted.tags] == ["docker.io/org/app:1"]
    assert wanted.outputs[0].destination == "a,b.tar"


def test_a_dockerfile_in_the_file_is_read_as_standard_input(run):
    [build] = read_targets([_target(run, 'dockerfile-inline = "FROM scratch"')], [])
    assert build.request.dockerfile == "-"
    assert build.request.stdin.read() == b"FROM scratch"
    assert build.request.any_platform


@pytest.mark.parametrize(
    ("text", "error", "mentions"),
    [
        ('network = "mine"', BakeError, "mine"),
        ('tags = ["UPPER"]', InvalidValueError, "target app"),
        ('output = ["type=nothing"]', InvalidValueError, "target app"),
        ('args = { SOURCE_DATE_EPOCH = "soon" }', InvalidValueError, "soon"),
        ('secret = ["id=s,src=nosuch"]', InvalidValueError, "nosuch"),
    ],
)
def test_a_target_that_cannot_be_built_is_named(run, text, error, mentions):
    with pytest.raises(error) as caught:
        read_targets([_target(run, text)], [])
    assert mentions in str(caught.value)
    assert "app" in caught.value.what


def test_two_targets_cannot_both_be_streams(run):
    target = _target(run, 'output = ["-"]')
    with pytest.raises(InvalidValueError, match="standard output"):
        read_targets([target, target], [])
