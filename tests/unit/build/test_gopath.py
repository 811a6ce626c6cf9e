import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build import gopath
from amphora.build.glob import Directories, Glob, Many, One, literal
from amphora.core.errors import InvalidValueError


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("", "."),
        (".", "."),
        ("/", "/"),
        ("//", "/"),
        ("a", "a"),
        ("a/", "a"),
        ("/a/", "/a"),
        ("a//b", "a/b"),
        ("a/./b", "a/b"),
        ("./a", "a"),
        ("a/..", "."),
        ("a/../b", "b"),
        ("..", ".."),
        ("../a", "../a"),
        ("../..", "../.."),
        ("../../a", "../../a"),
        ("a/../..", ".."),
        ("/..", "/"),
        ("/../a", "/a"),
        ("/a/../../b", "/b"),
        ("a/b/../../..", ".."),
        ("...", "..."),
        ("/./.", "/"),
    ],
)
def test_clean_is_the_shortest_path_of_the_same_meaning(path, cleaned):
    assert gopath.clean(path) == cleaned


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("abc", "abc", True),
        ("abc", "abd", False),
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "abc", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("*.go", "main.go", True),
        ("*.go", "src/main.go", False),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("**", "abc", True),
        ("**", "a/b", False),
        ("?", "a", True),
        ("?", "", False),
        ("?", "/", False),
        ("?", "é", True),
        ("a?c", "abc", True),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^b-d]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a[^a]b", "a☺b", True),
        ("[a-ζ]*", "é", True),
        ("*[a-ζ]", "A", False),
        ("[\\]a]", "]", True),
        ("[\\-]", "-", True),
        ("[x\\-]", "x", True),
        ("[x\\-]", "z", False),
        ("[\\-x]", "a", False),
        ("[^/]", "/", False),
        ("a[/]b", "a/b", True),
        ("[z-a]", "m", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a\\?b", "a?b", True),
        ("a\\bc", "abc", True),
        ("\\[x", "[x", True),
        ("x]", "x]", True),
        ("a.c", "abc", False),
        ("a+", "aa", False),
        ("(a|b)", "a", False),
        ("a$", "a", False),
        ("a\nb", "a\nb", True),
        ("a*b", "a\nb", True),
    ],
)
def test_match_follows_go(pattern, path, matches):
    assert gopath.match(pattern, path) is matches


@pytest.mark.parametrize(
    "pattern",
    ["[", "[a", "[]", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[^", "[^]", "a[", "a\\", "[\\"],
)
def test_a_malformed_pattern_is_an_error_whatever_the_path(pattern):
    for path in ("", "a", "ab"):
        with pytest.raises(InvalidValueError, match="is not a pattern"):
            gopath.match(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "wild"),
    [
        ("", False),
        ("a/b.c", False),
        ("a*", True),
        ("a?", True),
        ("[a]", True),
        ("a]", False),
        ("a\\*", False),
        ("a\\\\*", True),
        ("a\\", False),
        ("\\?\\[", False),
    ],
)
def test_has_wildcard(pattern, wild):
    assert gopath.has_wildcard(pattern) is wild


TOKENS = st.lists(
    st.sampled_from("ab/").map(lambda character: literal(character)[0])
    | st.just(Many("/"))
    | st.just(Many())
    | st.just(Directories())
    | st.just(gopath.NOT_SLASH)
    | st.just(One((("a", "a"), ("x", "z"))))
    | st.just(One((("b", "a"),), negated=True)),
    max_size=7,
)


@given(TOKENS, st.text("ab/y", max_size=12))
def test_the_automaton_agrees_with_backtracking(tokens, text):
    assert Glob(tokens).automaton_matches(text) is _backtracks(tokens, text)
    assert Glob(tokens).matches(text) is _backtracks(tokens, text)


@given(TOKENS, st.text("ab/y", max_size=8))
def test_starts_are_where_some_match_begins(tokens, text):
    glob = Glob(tokens)
    expected = sum(1 << index for index in range(len(text) + 1) if glob.ends(text, index))
    assert glob.starts(text) == expected


def _backtracks(tokens, text):
    """The plainest matcher there is, against which the fast ones are held."""
    if not tokens:
        return not text
    first, rest = tokens[0], tokens[1:]
    if isinstance(first, One):
        return bool(text) and first.accepts(text[0]) and _backtracks(rest, text[1:])
    for length in range(len(text) + 1):
        eaten = text[:length]
        if isinstance(first, Many):
            possible = not first.barrier or first.barrier not in eaten
        else:
            possible = not eaten or eaten.endswith("/")
        if possible and _backtracks(rest, text[length:]):
            return True
    return False


def test_many_stars_do_not_backtrack():
    assert not gopath.match("*a" * 30 + "b", "a" * 3000)
    assert gopath.match("*a" * 30 + "*b", "a" * 3000 + "b")


@given(st.text("a*?[]\\^-/", max_size=12), st.text("a/-]", max_size=12))
def test_any_pattern_matches_or_is_malformed(pattern, path):
    try:
        assert gopath.match(pattern, path) in {True, False}
    except InvalidValueError:
        assert set(pattern) & set("[\\")
