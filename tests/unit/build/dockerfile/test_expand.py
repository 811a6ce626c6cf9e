import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile.expand import MAX_DEPTH, ExpansionError, expand

ENVIRONMENT = {
    "A": "value",
    "EMPTY": "",
    "SPACED": " one  two ",
    "PATH": "/usr/lib/x/lib.tar.gz",
    "LINES": "ab\ncd",
    "STAR": "a*b",
    "DOLLAR": "$A",
    "_x1": "under",
    "ÄÖ": "umlaut",
    "1": "first",
    "12": "twelfth",
    "IMAGE": "debian:trixie",
}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("two words", "two words"),
        # variables
        ("$A", "value"),
        ("x${A}y", "xvaluey"),
        ("$A$A", "valuevalue"),
        ("$A.txt", "value.txt"),
        ("$Ab", ""),
        ("${A}b", "valueb"),
        ("$UNSET", ""),
        ("x${UNSET}y", "xy"),
        ("$_x1", "under"),
        ("$ÄÖ", "umlaut"),
        ("$1", "first"),
        ("$12", "twelfth"),
        ("$1a", "firsta"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$.", "$."),
        ("$$", ""),
        ("$@x", "x"),
        ("$DOLLAR", "$A"),
        ("%A%", "%A%"),
        # quotes and escapes
        ("'$A'", "$A"),
        ('"$A"', "value"),
        ('"${A}"', "value"),
        ("'a\"b'", 'a"b'),
        ('"a\'b"', "a'b"),
        ("'a\\b'", "a\\b"),
        ("a\\b", "ab"),
        ("\\$A", "$A"),
        ("\\\\$A", "\\value"),
        ("\\'", "'"),
        ('\\"x\\"', '"x"'),
        ('"\\$A"', "$A"),
        ('"\\a"', "\\a"),
        ('"\\\\"', "\\"),
        ('"\\""', '"'),
        ("a\\", "a"),
        ("\"a\"'b'c", "abc"),
        ("''", ""),
        ('""', ""),
        ("he'llo'", "hello"),
        ("a<b", "a<b"),
        ("a<<  b", "a<<  b"),
        # defaults
        ("${A:-other}", "value"),
        ("${A-other}", "value"),
        ("${UNSET:-other}", "other"),
        ("${UNSET-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-$A}", "value"),
        ("${UNSET:-${A}}", "value"),
        ("${UNSET:-${OTHER:-x}}", "x"),
        ("${UNSET:-'a}b'}", "a}b"),
        ('${UNSET:-"a b"}', "a b"),
        ("${UNSET:-a\\}b}", "a}b"),
        ("${UNSET:-a b}", "a b"),
        ("${UNSET:-:}", ":"),
        # alternatives
        ("${A:+other}", "other"),
        ("${A+other}", "other"),
        ("${UNSET:+other}", ""),
        ("${UNSET+other}", ""),
        ("${EMPTY:+other}", ""),
        ("${EMPTY+other}", "other"),
        ("${A:+$PATH}", "/usr/lib/x/lib.tar.gz"),
        # demands
        ("${A:?must be set}", "value"),
        ("${A?must be set}", "value"),
        ("${EMPTY?must be set}", ""),
        # trimming
        ("${PATH#/usr}", "/lib/x/lib.tar.gz"),
        ("${PATH#*/}", "usr/lib/x/lib.tar.gz"),
        ("${PATH##*/}", "lib.tar.gz"),
        ("${PATH%.*}", "/usr/lib/x/lib.tar"),
        ("${PATH%%.*}", "/usr/lib/x/lib"),
        ("${PATH%/*}", "/usr/lib/x"),
        ("${PATH%%/*}", ""),
        ("${PATH#nothing}", "/usr/lib/x/lib.tar.gz"),
        ("${PATH%nothing}", "/usr/lib/x/lib.tar.gz"),
        ("${PATH#}", "/usr/lib/x/lib.tar.gz"),
        ("${PATH##}", "/usr/lib/x/lib.tar.gz"),
        ("${PATH#????}", "/lib/x/lib.tar.gz"),
        ("${PATH%.??}", "/usr/lib/x/lib.tar"),
        ("${PATH#*lib*lib}", ".tar.gz"),
        ("${PATH:#/usr}", "/lib/x/lib.tar.gz"),
        ("${UNSET#x}", ""),
        ("${STAR#a\\*}", "b"),
        ("${STAR%\\*b}", "a"),
        ("${STAR#a*}", "*b"),
        ("${STAR##a*}", ""),
        ("${LINES#*c}", "ab\ncd"),
        ("${LINES#a*}", "b\ncd"),
        ("${LINES##a*}", "\ncd"),
        ("${PATH#$UNSET/usr}", "/lib/x/lib.tar.gz"),
        ("${IMAGE%:*}", "debian"),
        ("${IMAGE#*:}", "trixie"),
        # replacing
        ("${A/a/4}", "v4lue"),
        ("${PATH/lib/LIB}", "/usr/LIB/x/lib.tar.gz"),
        ("${PATH//lib/LIB}", "/usr/LIB/x/LIB.tar.gz"),
        ("${PATH//lib/}", "/usr//x/.tar.gz"),
        ("${PATH/\\//_}", "_usr/lib/x/lib.tar.gz"),
        ("${PATH//\\//_}", "_usr_lib_x_lib.tar.gz"),
        ("${PATH/*/x}", "x"),
        ("${PATH//*/x}", "x"),
        ("${PATH/l*r/-}", "/usr/-.gz"),
        ("${A//?/x}", "xxxxx"),
        ("${A///-}", "-v-a-l-u-e-"),
        ("${A/z/x}", "value"),
        ("${UNSET/a/b}", ""),
        ("${A/$A/new}", "new"),
        ("${A/v/$PATH}", "/usr/lib/x/lib.tar.gzalue"),
        ("${STAR/\\*/+}", "a+b"),
        ("${IMAGE/:/-}", "debian-trixie"),
        ("${A/a/\\}}", "v\\}lue"),
        ("${A/(/x}", "value"),
    ],
)
def test_expanding_one_word(word, text):
    assert expand(word, ENVIRONMENT).text == text


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("", ()),
        ("  ", ()),
        ("a b", ("a", "b")),
        ("  a\t b  ", ("a", "b")),
        ("'a b' c", ("a b", "c")),
        ('"a b"c', ("a bc",)),
        ("a\\ b", ("a b",)),
        ("$SPACED", ("one", "two")),
        ('"$SPACED"', (" one  two ",)),
        ("x${SPACED}y", ("x", "one", "two", "y")),
        ("'' a", ("a",)),
        ("''", ()),
        ("$UNSET $A", ("value",)),
        ("80 <<  EOF", ("80", "<<  EOF")),
    ],
)
def test_splitting_into_words_happens_behind_expansion(word, words):
    assert expand(word, ENVIRONMENT).words == words


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("'a", "single quote"),
        ('"a', "double quote"),
        ('"a\\"', "double quote"),
        ("a'b'c'", "single quote"),
        ("${", "no matching '}'"),
        ("${A", "'}' is missing"),
        ("${A:", "'}' is missing"),
        ("${A:-x", "'}' is missing"),
        ("${}", "no name"),
        ("${{A}}", "no name"),
        ("${:-x}", "no name"),
        ("${A:=x}", "modifier"),
        ("${A=x}", "modifier"),
        ("${A:}x}", "modifier"),
        ("${A^^}", "modifier"),
        ("${A b}", "modifier"),
        ("${A/x}", "'/' is missing"),
        ("${A/x/y", "'}' is missing"),
        ("${A/\\a/b}", "backslash"),
        ("${A#\\a}", "backslash"),
        ("${UNSET:?}", "UNSET: is not allowed to be unset"),
        ("${UNSET?}", "UNSET: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${UNSET:?give it}", "UNSET: give it"),
        ("${EMPTY:?give $A}", "EMPTY: give value"),
        ("${A:-" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1), "nested"),
    ],
)
def test_what_cannot_be_expanded(word, why):
    with pytest.raises(ExpansionError) as caught:
        expand(word, ENVIRONMENT)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("`$A", "$A"),
        ("C:\\$A", "C:\\value"),
        ('"`"$A`""', '"value"'),
        ('"a\\"', "a\\"),
        ("'`'", "`"),
        ("a`", "a"),
        ("${UNSET:-a`}b}", "a}b"),
    ],
)
def test_backtick_as_the_escape_character(word, text):
    assert expand(word, ENVIRONMENT, escape="`").text == text


@pytest.mark.parametrize(
    ("word", "options", "text"),
    [
        ("'a' \"$A\"", {"keep_quotes": True}, "'a' \"value\""),
        ("a\\ b", {"keep_escapes": True}, "a\\ b"),
        ('"a\\"b"', {"keep_escapes": True}, 'a\\"b'),
        ("a\\", {"keep_escapes": True}, "a\\"),
        ("'$A", {"ignore_quotes": True}, "'value"),
        ("\\$A \\\\", {"ignore_quotes": True}, "$A \\"),
        ("$A $UNSET ${UNSET}", {"keep_unset": True}, "value $UNSET ${UNSET}"),
        ("${UNSET:-x}", {"keep_unset": True}, "${UNSET:-x}"),
        ("${UNSET#x}", {"keep_unset": True}, "${UNSET#x}"),
        ("${UNSET/a/b}", {"keep_unset": True}, "${UNSET/a/b}"),
        ("${EMPTY}", {"keep_unset": True}, ""),
    ],
)
def test_options(word, options, text):
    assert expand(word, ENVIRONMENT, **options).text == text


@pytest.mark.parametrize(
    ("word", "read", "unset"),
    [
        ("plain '$A'", set(), set()),
        ("$A ${EMPTY} $UNSET", {"A", "EMPTY", "UNSET"}, {"UNSET"}),
        ("${UNSET:-$A}", {"UNSET", "A"}, {"UNSET"}),
        ("${A:-$OTHER}", {"A", "OTHER"}, {"OTHER"}),
        ("${A/$X/$Y}", {"A", "X", "Y"}, {"X", "Y"}),
    ],
)
def test_the_names_that_were_looked_at(word, read, unset):
    expansion = expand(word, ENVIRONMENT)
    assert (expansion.read, expansion.unset) == (read, unset)


FRAGMENTS = st.sampled_from(
    ["$", "{", "}", "${A", "${B:-", "${A/", "<<", *"/#%*?'\"\\`a :"],
)
ODD_WORDS = st.lists(FRAGMENTS, max_size=25).map("".join) | st.text(max_size=30)


@given(ODD_WORDS, st.sampled_from("\\`"))
def test_any_word_expands_or_says_why_not(word, escape):
    try:
        expansion = expand(word, {"A": "a*b/c", "B": ""}, escape=escape)
    except ExpansionError:
        return
    assert expansion.unset <= expansion.read
    assert all(expansion.words)


@given(st.text("abc*", max_size=30), st.text("ab*?", max_size=8))
def test_trimming_cuts_at_one_end_and_the_longest_match_cuts_more(value, pattern):
    shortest, longest = (expand(f"${{V{x}{pattern}}}", {"V": value}).text for x in ("#", "##"))
    assert value.endswith(shortest)
    assert shortest.endswith(longest)
    shortest, longest = (expand(f"${{V{x}{pattern}}}", {"V": value}).text for x in ("%", "%%"))
    assert value.startswith(shortest)
    assert shortest.startswith(longest)


@given(st.text(max_size=30))
def test_single_quotes_keep_everything(text):
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert expand(quoted, ENVIRONMENT).text == text


def test_hostile_patterns_do_not_backtrack():
    value = "a" * 2000
    assert expand("${V##" + "*a" * 30 + "b}", {"V": value}).text == value
    assert expand("${V//" + "*a" * 30 + "b/x}", {"V": value}).text == value
    assert expand("${V//a/b}", {"V": value}).text == "b" * 2000
