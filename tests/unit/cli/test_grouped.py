"""The help of a command with many options."""

import click
import pytest
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


@pytest.mark.parametrize(
    ("arguments", "retries", "rest"),
    [
        (["."], 0, "."),
        (["--retry-emulated", "."], 1, "."),
        (["--retry-emulated=3", "."], 3, "."),
        ([".", "--retry-emulated"], 1, "."),
    ],
)
def test_an_option_may_stand_without_a_value_and_takes_no_other_word(arguments, retries, rest):
    context = command.make_context("build", arguments)
    assert (context.params["retry_emulated"], context.params["context"]) == (retries, rest)
