"""Whatever a bake file holds: it is read, or refused with an error that is ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from amphora.bake.compose.interpolation import interpolate
from amphora.bake.files import File
from amphora.bake.hcl.functions.library import LIBRARY
from amphora.bake.hcl.values import decode, encode, of_plain
from amphora.bake.load import load
from amphora.core.errors import AmphoraError

#: Pieces of which nearly right files are made.
_PIECES = some.sampled_from(
    [
        *('target "a" {', "group default {", 'variable "V" {', 'function "f" {', "}", "\n"),
        *("tags = ", "args = ", "matrix = ", "name = ", "default = ", "result = ", "params = "),
        *("[", "]", "{", "}", "(", ")", ",", "=", ":", "?", "...", ".", "*", "[*]", "=>", "if "),
        *('"', '"x"', '"${', "${", "%{", "%{ if ", "%{ endif }", "%{ for x in ", "~}", "$${"),
        *("<<A\n", "<<-A\n", "\nA\n", "V", "f(", "upper(", "try(", "target.a.tags", "for x in "),
        *("1", "2.5", "1e99", "true", "null", "+", "-", "/", "%", "!", "&&", "==", "#c\n", "/*"),
    ]
)
_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=10),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _refusal(call, *errors):
    """What a call raises of these errors, or None."""
    try:
        call()
    except errors as error:
        return error
    return None


def _read(name, text):
    files = [File(name, text)]
    error = _refusal(lambda: load(files, variables={}, environment={}), AmphoraError)
    assert error is None or (error.what and error.why and error.next_command)


@given(some.lists(_PIECES, max_size=30).map("".join))
def test_files_that_are_nearly_right(text):
    _read("f.hcl", text)


@pytest.mark.parametrize("name", ["f.hcl", "f.json", "f.yaml", "-"])
@given(text=some.text(max_size=60))
def test_any_text(name, text):
    _read(name, text)


@given(_VALUES)
def test_any_json(value):
    _read("f.json", encode(of_plain({"target": {"a": value}, "x": value})))


@given(some.text(alphabet="${}:-+?aB$ ", max_size=30))
def test_any_variable(text):
    error = _refusal(lambda: interpolate(text, {"a": "x", "B": ""}.get), ValueError)
    assert error is None or str(error)


@given(_VALUES.map(of_plain))
def test_values_survive_json(value):
    assert encode(decode(encode(value))) == encode(value)


@given(some.sampled_from(sorted(LIBRARY)), some.lists(_VALUES.map(of_plain), max_size=4))
def test_functions_take_anything_or_say_why_not(name, arguments):
    call = LIBRARY[name].call
    error = _refusal(lambda: call(*arguments), ValueError, ArithmeticError)
    assert not isinstance(error, ValueError) or str(error)
