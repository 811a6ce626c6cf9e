"""Expressions, templates and the structure of files; errors that say where."""

from decimal import Decimal

import pytest

from amphora.bake.definitions import Definitions
from amphora.bake.files import File
from amphora.bake.hcl.evaluate import evaluate
from amphora.bake.hcl.expressions import parse_expression
from amphora.bake.hcl.source import Source
from amphora.bake.hcl.values import encode, to_plain
from amphora.bake.load import load
from amphora.core.errors import BakeError


def value_of(text, **variables):
    definitions = Definitions([File("f.hcl", "").body()], variables, {}.get)
    return evaluate(parse_expression(Source("f.hcl", text)), definitions)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("-2 * -3", 6),
        ("!true || 1 < 2 && 2 != 3", True),
        ("2 >= 2 == true", True),
        ('"a" == "a"', True),
        ('1 == "1"', False),
        ('"2" * 3', 6),
        ("[1, 2, 3][1]", 2),
        ("{ a = 1, b : 2 }.b", 2),
        ('{ a = [{ b = "c" }] }.a[0].b', "c"),
        ("[{ a = 1 }, { a = 2 }][*].a", [1, 2]),
        ("[{ a = [1] }, { a = [2] }][*].a[0]", [1, 2]),
        ("[{ a = [1] }, { a = [2] }].*.a[0]", [1]),
        ("null[*]", []),
        ('"x"[*]', ["x"]),
        ("[for i, x in [5, 6] : i + x if x > 5]", [7]),
        ("[for k, v in { b = 1, a = 2 } : k]", ["a", "b"]),
        ("{ for x in [1, 2] : x => x * x }", {"1": 1, "2": 4}),
        (
            '{ for x in ["ab", "ac", "b"] : substr(x, 0, 1) => x... }',
            {"a": ["ab", "ac"], "b": ["b"]},
        ),
        ('true ? 1 : "x"', "1"),
        ("false ? [] : [1]", [1]),
        ("true ? null : 1", None),
        ("true ? 1 : [][0]", 1),
        ("1.50", Decimal("1.50")),
        ("1e3", 1000),
        ("max([1, 3, 2]...)", 3),
        ("0.1 + 0.2", 0.3),
    ],
)
def test_expressions(text, value):
    found = to_plain(value_of(text))
    assert found == to_plain(value)
    assert type(found) is type(to_plain(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\tb\"\\ \u00e9\U0001F600"', 'a\tb"\\ é😀'),
        ('"$x $$x ${x} $${x} $$${x} %%{x} 5%"', "$x $$x X ${x} $${x} %{x} 5%"),
        ('"%{ if true }a%{ else }b%{ endif }"', "a"),
        ('"%{ if false }a%{ endif }"', ""),
        ('"%{ for i, v in ["p", "q"] }${i}${v};%{ endfor }"', "0p;1q;"),
        ('"a ${~ x ~} b"', "aXb"),
        ('"%{ if true ~}  a  %{~ endif }"', "a"),
        ('"${1}${true}${2.50}"', "1true2.5"),
        ("<<A\none ${x}\n  two\nA\n", "one X\n  two\n"),
        ("<<-A\n    one\n\n      ${x}\n    A\n", "one\n\n  X\n"),
        ('<<A\n\\n "quoted"\nA\n', '\\n "quoted"\n'),
    ],
)
def test_templates(text, value):
    assert value_of(text, x="X") == value


def test_a_template_of_one_value_is_that_value():
    assert value_of('"${[1]}"') == (1,)
    assert value_of('"${"${true}"}"') is True


_WRONG = [
    ("target a {\n  tags = [\n", "f.hcl:3:1", "a value is missing here"),
    ('target "a" {\n  args = { A = nosuch }\n}', "f.hcl:2:16", "there is no variable 'nosuch'"),
    ('x = "abc', "f.hcl:1:5", "this text has no end"),
    ('x = "\\q"', "f.hcl:1:6", "this means nothing after a backslash"),
    ("x = <<A\nabc\n", "f.hcl:1:5", "this heredoc has no end"),
    ('x = "%{ if true }a"', "f.hcl:1:6", "this directive has no end"),
    ('x = "%{ endif }"', "f.hcl:1:6", "`endif` stands alone here"),
    ('x = "%{ nonsense }"', "f.hcl:1:18", "'nonsense' is no directive"),
    ("x = 1 2", "f.hcl:1:7", "'x' has ended here"),
    ("x = 1\nx = 2", "f.hcl:2:1", "'x' is there twice"),
    ("x = (1 + )", "f.hcl:1:10", "a value is missing here"),
    ("x = { a = 1 b = 2 }", "f.hcl:1:13", "this entry has ended here"),
    ("x = 'a'", "f.hcl:1:5", "a text does not begin so"),
    ("x = [for a : a]", "f.hcl:1:12", "this `for` is not complete"),
    ("x = 1 / 0", "f.hcl:1:5", "`/` cannot be applied"),
    ("x = [1][1]", "f.hcl:1:5", "there is no such element"),
    ("x = {}.a", "f.hcl:1:5", "there is no attribute 'a'"),
    ('x = "a".b', "f.hcl:1:5", "'b' cannot be looked up"),
    ('x = "a${[1]}"', "f.hcl:1:9", "this cannot be inserted into a text"),
    ("x = true + 1", "f.hcl:1:5", "`+` cannot be applied"),
    ("x = [] ? 1 : 2", "f.hcl:1:5", "this cannot be a condition"),
    ("x = true ? 1 : []", "f.hcl:1:5", "the two values are not of one type"),
    ("x = { for a in [1, 1] : a => a }", "f.hcl:1:25", "the key '1' comes twice"),
    ("x = [for a in 5 : a]", "f.hcl:1:15", "this cannot be gone through"),
    ("x = upper()", "f.hcl:1:5", "upper() cannot be called so"),
    ("x = bcrypt(1)", "f.hcl:1:5", "bcrypt() is not here"),
    ("x = uper(1)", "f.hcl:1:5", "there is no function 'uper'"),
    ("x = can(1, 2)", "f.hcl:1:5", "can() takes 1 argument"),
    ("x = convert(1, strin)", "f.hcl:1:16", "this is no type"),
    ("x = y\ny = z\nz = x", None, "the variable x needs itself"),
    ("x = 1e9999", "f.hcl:1:5", "this number cannot be worked with"),
    ("x = pow(10, 100000)", "f.hcl:1:5", "pow() cannot be called so"),
    ("block {\n", "f.hcl:1:1", "this block has no end"),
    ('target "a${1}" {}', "f.hcl:1:8", "this cannot be a label"),
    ("= 1", "f.hcl:1:1", "this begins neither a block nor an attribute"),
    ("x = " + "(" * 100, None, "this is nested too deeply"),
    ("x = " + "+".join(["1"] * 5000), None, None),
]


@pytest.mark.parametrize(("text", "place", "what"), _WRONG)
def test_what_is_wrong_is_said_with_its_place(text, place, what):
    with pytest.raises(BakeError) as caught:
        load([File("f.hcl", text)], variables={}, environment={})
    if what is not None:
        assert caught.value.what == what
    assert caught.value.why
    assert caught.value.next_command
    if place is not None:
        assert caught.value.excerpt.splitlines()[0] == place
        assert caught.value.excerpt.splitlines()[2].strip(" |").startswith("^")


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ('{"target": ', "f.json:1:12", "a value is missing here"),
        ('{"target": {"a": {"tags": ["${nosuch}"]}}}', "f.json:1:28", "no file defines it"),
        ('{"a": 1} x', "f.json:1:10", "the document has ended here"),
        ('{"target": 5}', "f.json:1:12", "names and what they mean stand in braces"),
        ('{"a": "\\q"}', "f.json:1:7", None),
        ('{"a" 1}', "f.json:1:6", "':' is missing here"),
        ("[" * 100, None, None),
    ],
)
def test_what_is_wrong_in_json_is_said_with_its_place(text, place, why):
    with pytest.raises(BakeError) as caught:
        load([File("f.json", text)], variables={}, environment={})
    if place:
        assert caught.value.excerpt.splitlines()[0] == place
    if why:
        assert caught.value.why == why


def test_numbers_are_exact():
    assert encode(value_of("9007199254740993")) == "9007199254740993"
    assert value_of('"is ${1/3}"').startswith("is 0.33333333333333333333333333")
