"""Bake files, and what `--print` makes of them.

Each directory of `cases` is where a command runs; `arguments` and `environment` are its own.
What is expected was compared, case by case, with what `docker buildx bake --print` prints.
"""

import json
import os
import shlex
from pathlib import Path

import pytest

from amphora.cli.main import cli

CASES = Path(__file__).with_name("cases")
_NAMES = sorted(path.name for path in CASES.iterdir())


@pytest.fixture
def bake(monkeypatch, capsys):
    """Run `amphora bake` in a directory, with an environment of its own; what it prints."""

    def bake(directory, *arguments, environment=()):
        for name in os.environ.keys() - {"PATH", "HOME"}:
            monkeypatch.delenv(name)
        for name, value in dict(environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(directory)
        cli.main(["bake", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return bake


def _lines(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("name", _NAMES)
def test_a_file_is_read_as_buildx_reads_it(bake, name):
    case = CASES / name
    arguments = [word for line in _lines(case / "arguments") for word in shlex.split(line)]
    environment = [line.partition("=")[::2] for line in _lines(case / "environment")]
    printed = bake(case, "--print", *arguments, environment=environment)
    assert json.loads(printed) == json.loads((case / "expected.json").read_text())


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in {"load", "push"}])
def test_what_is_printed_can_be_baked_again(bake, name, tmp_path):
    """But for names with a dot and what is only in one of the files."""
    expected = json.loads((CASES / name / "expected.json").read_text())
    (tmp_path / "docker-bake.json").write_text(json.dumps(expected))
    again = json.loads(bake(tmp_path, "--print", *expected["target"]))
    for target, fields in expected["target"].items():
        assert again["target"][target] == fields


def test_there_are_enough_of_them():
    assert len(_NAMES) >= 36
