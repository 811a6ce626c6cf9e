"""The table of errors: true, complete, and no exit code means two things."""

import re
from pathlib import Path

import pytest

from amphora.core import errors
from amphora.core.errors import EXIT_INTERRUPTED, AmphoraError

ROW = re.compile(r"[├└]── (\w+) +(\d+)  \S")
SOURCES = Path(errors.__file__).parents[1]


def classes():
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, AmphoraError) and value is not AmphoraError
    ]


def test_the_tree_in_the_docstring_is_the_classes():
    told = {name: int(code) for name, code in ROW.findall(errors.__doc__)}
    assert told == {error.__name__: error.exit_code for error in classes()}
    assert len(told) > 10


def test_exit_codes_tell_errors_apart_from_each_other_and_from_the_shells():
    codes = [error.exit_code for error in classes()]
    assert len(set(codes)) == len(codes)
    # Success, a defect's traceback, wrong usage, Ctrl-C; not executable, not found, signals.
    assert not set(codes) & {0, AmphoraError.exit_code, 2, EXIT_INTERRUPTED}
    assert {code for code in codes if code >= 126} == {126, 127}
    assert (errors.NotExecutableError.exit_code, errors.CommandNotFoundError.exit_code) == (
        126,
        127,
    )


@pytest.mark.parametrize("error", classes())
def test_every_error_has_three_sentences(error):
    raised = error("it broke", why="it was old", next_command="buy a new one")
    assert (raised.what, raised.why, raised.next_command) == (
        "it broke",
        "it was old",
        "buy a new one",
    )
    assert str(raised) == "it broke: it was old"
    assert raised.excerpt is None
    with pytest.raises(TypeError):
        error("it broke")


def test_every_error_is_raised_somewhere():
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py") if path.name != "errors.py")
    assert [error.__name__ for error in classes() if f"{error.__name__}(" not in text] == []
