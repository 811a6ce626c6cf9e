"""The help of a command with many options."""

import click
from click.testing import CliRunner

from amphora.cli.commands.build import command


def test_every_option_of_build_stands_below_a_heading():
    said = CliRunner().invoke(command, ["--help"]).output
    headed, _, others = said.partition("Other options:")
    assert [line.split()[0] for line in others.splitlines() if line.strip()] == ["-h,"] or (
        "--help" in others and others.count("--") == 1
    )
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert headed.count(f"{parameter.opts[-1]} ") >= 1, parameter.opts
