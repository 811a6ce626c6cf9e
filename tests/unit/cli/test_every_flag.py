"""Every flag of every command has a test that shows what it does: flags.toml names it.

The test that is named is there, and passes that flag to that command, itself or through what it
uses: constants and functions of its file, fixtures of its conftest.py files.
"""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from amphora.cli.main import cli

TESTS = Path(__file__).parents[2]
TABLE = tomllib.loads(Path(__file__).with_name("flags.toml").read_text())


def _commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from _commands(command.get_command(context, name), f"{path} {name}".strip())


def _flags() -> dict[tuple[str, str], list[str]]:
    """All ways to write each flag, by its command and its longest name."""
    return {
        (path or "amphora", max(option.opts, key=len)): [*option.opts, *option.secondary_opts]
        for path, command in _commands(cli)
        for option in command.params
        if isinstance(option, click.Option)
    }


FLAGS = _flags()
ROWS = {(command, flag): test for command, rows in TABLE.items() for flag, test in rows.items()}


def test_every_flag_is_in_the_table_and_nothing_else():
    assert sorted(set(FLAGS) - set(ROWS)) == [], "flags.toml lacks their tests"
    assert sorted(set(ROWS) - set(FLAGS)) == [], "flags.toml has what no command has"


@pytest.mark.parametrize(("command", "flag"), ROWS, ids=map(" ".join, ROWS))
def test_the_test_of_a_flag_uses_it(command, flag):
    file, _, name = ROWS[command, flag].partition("::")
    defined = _definitions(TESTS / file)
    assert name.startswith("test_"), "that is no test"
    assert name in defined, f"{file} has no {name}"
    words = _words(defined, name)
    # The names of settings go before the command, whichever that is.
    needed = [] if command == "amphora" else command.split()
    assert set(needed) <= words, f"{name} does not call it"
    assert _given(words, command) & set(FLAGS[command, flag]), f"{name} does not use {flag}"


def _given(words: set[str], command: str) -> set[str]:
    """With `-it` taken apart, if -i and -t are flags of that command."""
    short = {name for key, names in FLAGS.items() if key[0] == command for name in names}
    together = ({f"-{letter}" for letter in word[1:]} for word in words if word.startswith("-"))
    return words.union(*(letters for letters in together if letters <= short))


@cache
def _definitions(file: Path) -> dict[str, ast.AST]:
    """What a test in this file can use by its name, nearest last."""
    nearest = [file, *(parent / "conftest.py" for parent in file.parents)]
    found: dict[str, ast.AST] = {}
    for path in reversed(nearest):
        if path.is_relative_to(TESTS) and path.exists():
            for node in ast.parse(path.read_text()).body:
                found |= dict.fromkeys(_names(node), node)
    return found


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def _words(defined: dict[str, ast.AST], name: str) -> set[str]:
    """The words of all texts in what `name` means and in all that this uses."""
    seen, left, words = set(), [name], set()
    while left:
        current = left.pop()
        if current in seen or current not in defined:
            continue
        seen.add(current)
        for node in ast.walk(defined[current]):
            match node:
                case ast.Name(id=used) | ast.arg(arg=used):
                    left.append(used)
                case ast.Constant(value=str(text)):
                    words |= {word.partition("=")[0] for word in text.split()}
    return words
