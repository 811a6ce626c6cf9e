import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.ignore import IgnoreRules
from amphora.core.errors import InvalidValueError


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a/b", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("a", "ab", False),
        ("/a", "a", True),
        ("a/", "a", True),
        ("a/", "a/b", True),
        ("./a", "a", True),
        ("a/../b", "b", True),
        ("a//b", "a/b", True),
        (" a ", "a", True),
        ("*", "a", True),
        ("*", "a/b", True),
        ("*.go", "main.go", True),
        ("*.go", "src/main.go", False),
        ("*/*.go", "src/main.go", True),
        ("*/temp*", "somedir/temporary.txt", True),
        ("*/temp*", "somedir/temp", True),
        ("*/temp*", "temp", False),
        ("*/*/temp*", "somedir/subdir/temporary.txt", True),
        ("*/*/temp*", "somedir/temporary.txt", False),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("temp?", "temp/", False),
        ("?", "/", False),
        ("**", "file", True),
        ("**", "file/", True),
        ("**/", "file", True),
        ("**", "dir/file", True),
        ("**/", "dir/file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "dir", False),
        ("**/dir", "dir", True),
        ("**/dir", "dir/file", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/*", "dir/dir2/dir2/file", True),
        ("**/dir2/*", "dir/dir2", False),
        ("**/dir2/**", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**file", "dirfile", True),
        ("**/file", "dir/file", True),
        ("**/file", "dir/dir/file", True),
        ("**/file", "dirfile", False),
        ("**/file*", "dir/dir/file.txt", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/file*.txt*", "dir/dir/file.txt", True),
        ("**/**/*.txt", "dir/dir/file.txt", True),
        ("**/**/*.txt2", "dir/dir/file.txt", False),
        ("**/*.txt", "file.txt", True),
        ("**/**/*.txt", "file.txt", True),
        ("**foo*", "xfoo", False),
        ("**foo*", "x/foobar", True),
        ("a**/*.txt", "a/file.txt", True),
        ("a**/*.txt", "a/dir/file.txt", True),
        ("a**/*.txt", "a/dir/dir/file.txt", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "axb", False),
        ("a**b", "a/x/b", True),
        ("a**b", "ax/b", True),
        ("a**b", "ab", True),
        ("a/*.txt", "a/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a[b-d]e", "ae", False),
        ("a[b-d]e", "ace", True),
        ("a[b-d]e", "aae", False),
        ("a[^b-d]e", "aze", True),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("abc.def", "abcdef", False),
        ("abc.def", "abc.def", True),
        ("abc.def", "abcZdef", False),
        ("abc?def", "abcZdef", True),
        ("abc?def", "abcdef", False),
        ("a\\\\", "a\\", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
        ("dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
         "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", True),
        ("#a", "#a", False),
        (" #a", "#a", True),
        ("\\#a", "#a", True),
        (".", ".", False),
        ("*", ".", False),
        ("**", ".", False),
        ("a b", "a b", True),
        ("ä*", "äb", True),
    ],
)  # fmt: skip
def test_one_rule(pattern, path, ignored):
    assert IgnoreRules.parse(pattern).ignores(path) is ignored


@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md", "CHANGES.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
        ("*\n!src", "src", False),
        ("*\n!src", "src/main.c", False),
        ("*\n!src\nsrc/*.o", "src/main.o", True),
        ("*\n!src/keep", "src", True),
        ("*\n!src/keep", "src/keep", False),
        ("*\n!src/keep", "src/keep/deep", False),
        ("*\n!src/keep", "src/other", True),
        ("dir\n!dir/keep\ndir", "dir/keep", True),
        ("dir/**\n!dir/**/*.c", "dir/a/b.c", False),
        ("!a\na", "a", True),
        ("! a", "a", False),
        ("a\n!/a", "a", False),
        ("\ufeffa", "a", True),
        ("a\r\nb\r\n", "b", True),
        ("\n\n# comment\n\na", "a", True),
        ("", "a", False),
    ],
)
def test_the_last_rule_that_matches_decides(text, path, ignored):
    assert IgnoreRules.parse(text).ignores(path) is ignored


@pytest.mark.parametrize(
    ("text", "directory", "walk"),
    [
        ("a", "a", False),
        ("*\n!src/keep", "src", True),
        ("*\n!src/keep", "lib", False),
        ("*\n!src/keep/deep", "src/keep", True),
        ("*\n!src/keep", "src/keepers", False),
        ("*\n!**/*.c", "anything", True),
        ("*\n!src/*.c", "src", True),
        ("*\n!src/*.c", "lib", False),
        ("*\n!sr*", "src", False),
        ("!src/keep\n*", "src", False),
        ("*\n!src/keep\nsrc", "src", False),
        ("*\n!a\\*b/c", "a*b", True),
    ],
)
def test_directories_that_may_hold_exceptions_are_walked(text, directory, walk):
    rules = IgnoreRules.parse(text)
    assert rules.ignores(directory) or not walk or "*b" in directory
    assert rules.may_contain_exceptions(directory) is walk


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a\n[", 2, "no matching"),
        ("!", 1, "nothing follows"),
        ("\n!  ", 2, "nothing follows"),
        ("a\\", 1, "ends in a backslash"),
        ("[]a]", 1, "stands where a character is expected"),
    ],
)
def test_a_malformed_rule_is_named_with_its_line(text, line, why):
    with pytest.raises(InvalidValueError, match=why) as caught:
        IgnoreRules.parse(text, "x.dockerignore")
    assert caught.value.what.startswith(f"x.dockerignore:{line}: ")


PATTERNS = st.lists(
    st.builds("".join, st.lists(st.sampled_from(["a", "b", "/", "*", "**", "?", "!"]), max_size=6)),
    max_size=5,
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map("/".join)


@given(PATTERNS, PATHS)
def test_pruning_loses_nothing(patterns, path):
    """Whatever is not ignored can be reached through directories that are walked."""
    rules = _parse_valid(patterns)
    if rules.ignores(path):
        return
    parts = path.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        assert not rules.ignores(above) or rules.may_contain_exceptions(above)


def _parse_valid(patterns):
    try:
        return IgnoreRules.parse("\n".join(patterns))
    except InvalidValueError:
        return IgnoreRules.parse("\n".join(p for p in patterns if p.strip("!")))


@given(st.text(max_size=40), st.text("ab/.*", min_size=1, max_size=20))
def test_any_text_is_rules_or_an_error(text, path):
    try:
        rules = IgnoreRules.parse(text)
    except InvalidValueError:
        return
    assert rules.ignores(path) in {True, False}
    assert rules.may_contain_exceptions(path) in {True, False}


def test_a_very_deep_path_and_many_stars_take_no_time():
    rules = IgnoreRules.parse("**/*a*a*a*a*a*a*b\n!x")
    assert rules.ignores("/".join(["a" * 40] * 100)) is False
