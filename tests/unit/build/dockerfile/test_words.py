import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile.words import (
    NotStringsError,
    Word,
    is_json,
    json_strings,
    split_blanks,
    split_command,
    split_quoted,
)


@pytest.mark.parametrize(
    ("line", "keyword", "flags", "rest"),
    [
        ("RUN", "RUN", [], ""),
        ("RUN a b", "RUN", [], "a b"),
        ("  run\ta  ", "run", [], "a"),
        ("RUN --mount=x a", "RUN", [("mount", "x")], "a"),
        ("RUN --a=1  --b=2 c --d", "RUN", [("a", "1"), ("b", "2")], "c --d"),
        ("COPY --link a b", "COPY", [("link", None)], "a b"),
        ("COPY --link= a b", "COPY", [("link", "")], "a b"),
        ("COPY --chown='a b' c", "COPY", [("chown", "a b")], "c"),
        ('COPY --chown="a\\"b" c', "COPY", [("chown", 'a"b')], "c"),
        ("COPY --chown=a\\ b c", "COPY", [("chown", "a b")], "c"),
        ("RUN -- --x", "RUN", [], "--x"),
        ("RUN -x", "RUN", [], "-x"),
        ("RUN --a", "RUN", [("a", None)], ""),
        ("RUN --a=b=c d", "RUN", [("a", "b=c")], "d"),
        ("RUN --a='b c", "RUN", [("a", "b c")], ""),
        ("RUN --a\\", "RUN", [("a", None)], ""),
        ('"RUN" a', '"RUN"', [], "a"),
    ],
)
def test_keyword_flags_and_rest(line, keyword, flags, rest):
    command = split_command(Word(line, 0))
    assert command.keyword.text == keyword
    assert [(flag.name, flag.value) for flag in command.flags] == flags
    assert command.rest.text == rest


@given(st.text(" \tab-='\"\\", max_size=30))
def test_every_word_is_where_it_says(text):
    command = split_command(Word(text, 0))
    words = [command.keyword, command.rest, *(flag.word for flag in command.flags)]
    words += split_blanks(command.rest) + split_quoted(command.rest, "\\")
    for word in words:
        assert text[slice(*word.span)] == word.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("a b", ["a", "b"]),
        ("a=b c=d", ["a=b", "c=d"]),
        ("a='b c' d", ["a='b c'", "d"]),
        ('a="b c" d', ['a="b c"', "d"]),
        ("a=b\\ c d", ["a=b\\ c", "d"]),
        ('a="b\\" c" d', ['a="b\\" c"', "d"]),
        ("a='b\\' c", ["a='b\\'", "c"]),
        ("a=''", ["a=''"]),
        ("a=b\\", ["a=b"]),
        ("\\", []),
        ("a='b", ["a='b"]),
        ("a\u00a0b", ["a", "b"]),
    ],
)
def test_splitting_keeps_quotes(text, words):
    assert [word.text for word in split_quoted(Word(text, 0), "\\")] == words


def test_splitting_with_a_backtick():
    words = split_quoted(Word("a=c:\\ b=x` y", 0), "`")
    assert [word.text for word in words] == ["a=c:\\", "b=x` y"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", ()),
        ('["a"]', ("a",)),
        (' [ "a" , "b c" ] ', ("a", "b c")),
        ('["\\u00e9\\n\\""]', ('é\n"',)),
        ('["\\ud800"]', ("\ufffd",)),
        ("['a']", None),
        ('["a"', None),
        ('["a",]', None),
        ('["a"] b', None),
        ("a", None),
        ("", None),
        ('{"a": "b"}', None),
        ('"a"', None),
        ("[NaN]", None),
        ("[Infinity]", None),
        ("[" * 5000, None),
        ('["a\tb"]', None),
        ("[ -f /x ]", None),
        ("[[ -f /x ]]", None),
    ],
)
def test_the_exec_form_is_a_valid_json_array(text, words):
    assert json_strings(text) == words
    assert is_json(text) is (words is not None)


@pytest.mark.parametrize(
    "text", ["[1]", '["a", 1]', "[null]", '[["a"]]', "[{}]", "[true]", "[" + "9" * 5000 + "]"]
)
def test_an_array_of_something_else_is_an_error(text):
    with pytest.raises(NotStringsError):
        json_strings(text)
    assert is_json(text)


@given(st.lists(st.text()))
def test_what_json_writes_is_read_back(words):
    clean = [word.encode("utf-8", "ignore").decode() for word in words]
    assert json_strings(json.dumps(clean)) == tuple(clean)
