"""Which versions of packages are fetched: the script itself, with apt's answers made up."""

import subprocess

import pytest

from amphora.build.handoff import fetch_command

#: As `apt-cache madison` answers: the newest first, one line for each source.
AVAILABLE = {
    "gcc-14-x": ["14.3.0-1cross1", "14.2.0-20cross2", "14.2.0-19cross1", "14.2.0-16cross1"],
    "gcc-12-x": ["12.2.0-14cross1"],
    "binutils-x": ["2.44-3", "2.44-3"],
}


def _answer(name):
    lines = " ".join(f"'{name} | {each} | there'" for each in AVAILABLE[name])
    return f"{name}) printf '%s\\n' {lines} ;;\n"


@pytest.fixture
def installed(tmp_path):
    """Run the script; returns what it has apt install."""
    answers = "".join(map(_answer, AVAILABLE))
    programs = {
        "apt-cache": f"case $2 in {answers} esac",
        "apt-get": 'case $1 in install) echo "$@" >> calls;; esac',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def call(packages, *, any_revision):
        command = fetch_command(packages, any_revision=any_revision)
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        subprocess.run(command, cwd=tmp_path, env=path, check=True)
        calls = tmp_path / "calls"
        if not calls.exists():
            return None
        said = calls.read_text()
        calls.unlink()
        return said.split("Dpkg::Use-Pty=0")[1].split()

    return call


@pytest.mark.parametrize(
    ("wanted", "exact", "nearest"),
    [
        ("gcc-14-x=14.2.0-19", "14.2.0-19cross1", "14.2.0-19cross1"),
        ("gcc-14-x=14.2.0-20cross2", "14.2.0-20cross2", "14.2.0-20cross2"),
        ("gcc-14-x=14.2.0-17", None, "14.2.0-19cross1"),
        ("gcc-14-x=14.2.0-21", None, "14.2.0-20cross2"),
        ("gcc-14-x=14.2.0-1", None, "14.2.0-16cross1"),
        ("gcc-14-x=14.1.0-19", None, None),
        ("gcc-12-x=12.2.0-14+deb12u1", None, "12.2.0-14cross1"),
        ("binutils-x=2.44-3", "2.44-3", "2.44-3"),
        ("unknown=1-1", None, None),
    ],
)
def test_the_version_that_is_chosen(installed, wanted, exact, nearest):
    name, _, version = wanted.partition("=")
    for any_revision, chosen in ((False, exact), (True, nearest)):
        expected = chosen and [f"{name}={chosen}"]
        assert installed({name: version}, any_revision=any_revision) == expected


def test_what_cannot_be_had_does_not_keep_the_rest_from_being_fetched(installed):
    packages = {"unknown": "1-1", "gcc-12-x": "12.2.0-14", "binutils-x": "2.44-3"}
    chosen = ["gcc-12-x=12.2.0-14cross1", "binutils-x=2.44-3"]
    assert installed(packages, any_revision=False) == chosen
