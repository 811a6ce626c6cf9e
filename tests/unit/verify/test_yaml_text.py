"""YAML that people wrote, with mistakes."""

import pytest

from amphora.core.errors import InvalidValueError
from amphora.verify.yaml_text import LARGEST, read_yaml


def read(text):
    return read_yaml(text, "some.yaml")


def fails(action):
    with pytest.raises(InvalidValueError) as caught:
        action()
    return caught.value


def test_values_are_what_they_are_written_as():
    found = read('a: 1.10\nb: [x, "2", yes]\nc: true\nd: 0755\ne: {f: 12}\n').mapping("abcde")
    assert found["a"].text() == "1.10"
    assert found["b"].texts() == ("x", "2", "yes")
    assert found["c"].truth() is True
    assert found["e"].mapping("f")["f"].number() == 12
    assert found["e"].line == 5
    assert read('{"json": ["is", "yaml"]}').mapping({"json"})["json"].texts() == ("is", "yaml")


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: 1\nplatfroms: []\n", 2, "'platfroms' is not known here"),
        ("a: 1\nb: 2\na: 3\n", 3, "a is there twice"),
        ("a: 1\nb: [1, 2\n", 3, "expected ',' or ']'"),
        ("a: 1\nb: {x: &anchor [1], y: *anchor}\n", 2, "aliases are not read"),
        ("a: 1\nb: " + "[" * 30 + "]" * 30, 2, "nested too deeply"),
        ("a: 1\n---\nb: 2\n", 2, "expected a single document"),
        ("- a\n", 1, "names with values expected"),
        ("", 1, "the file is empty"),
        ("a: \x00", 1, "unacceptable character"),
        ("#" * (LARGEST + 1), 1, "more than 256 KiB"),
        ("[a]: 1\n", 1, "a text is expected here"),
    ],
)
def test_mistakes_are_told_with_their_line(text, line, why):
    error = fails(lambda: read(text).mapping({"a", "b", "platforms"}))
    assert error.what == f"line {line} of some.yaml cannot be read"
    assert why in error.why


def test_a_name_that_is_nearly_right_is_suggested():
    error = fails(lambda: read("platfroms: []").mapping({"platforms", "findings"}))
    assert error.next_command == "write platforms"
    error = fails(lambda: read("x: []").mapping({"platforms", "findings"}))
    assert error.next_command == "write one of findings, platforms"


def test_no_tag_makes_anything():
    assert read("a: !!python/object/apply:os.system [x]").mapping("a")["a"].texts() == ("x",)


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("a: [1]", "text"),
        ("a:", "text"),
        ("a: x", "items"),
        ("a: -3", "number"),
        ("a: 99999999999", "number"),
        ("a: 0x10", "number"),
        ('a: "3"', "number"),
        ("a: 1", "truth"),
        ('a: "true"', "truth"),
    ],
)
def test_each_kind_is_insisted_on(text, method):
    error = fails(getattr(read(text).mapping("a")["a"], method))
    assert "expected here" in error.why
