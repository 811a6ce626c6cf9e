"""Which texts name repositories, and what they say of them."""

import pytest

from amphora.core.errors import InvalidValueError
from amphora.remote.location import GitLocation, is_git, is_remote, parse_git, path_of, shown_url

REPOSITORY = "https://host/team/name.git"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "git", "remote"),
    [
        (REPOSITORY, True, True),
        ("http://host/name.git#main", True, True),
        ("https://host/name.git?ref=main", True, True),
        ("https://host/name", False, True),
        ("https://host/file.tar.gz", False, True),
        ("https://host/x?y=.git", False, True),
        ("git@host:team/name", True, True),
        ("someone@host.example:name.git#v1", True, True),
        ("git://host/name", True, True),
        ("ssh://git@host/name", True, True),
        ("ext::sh -c id", False, False),
        ("file:///name.git", False, False),
        ("/name.git", False, False),
        ("name.git", False, False),
        ("a@b", False, False),
        ("", False, False),
    ],
)
def test_kinds(text, git, remote):
    assert (is_git(text), is_remote(text)) == (git, remote)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        (REPOSITORY, GitLocation(REPOSITORY)),
        (f"{REPOSITORY}#v1", GitLocation(REPOSITORY, "v1")),
        (f"{REPOSITORY}#v1:a/b", GitLocation(REPOSITORY, "v1", "a/b")),
        (f"{REPOSITORY}#:a", GitLocation(REPOSITORY, "", "a")),
        (f"{REPOSITORY}#feature/x:a", GitLocation(REPOSITORY, "feature/x", "a")),
        ("git@host:name.git#v1:a", GitLocation("git@host:name.git", "v1", "a")),
        (f"{REPOSITORY}?ref=v1&subdir=a", GitLocation(REPOSITORY, "v1", "a")),
        (f"{REPOSITORY}?tag=v1", GitLocation(REPOSITORY, "refs/tags/v1")),
        (f"{REPOSITORY}?branch=v1", GitLocation(REPOSITORY, "refs/heads/v1")),
        (f"{REPOSITORY}?checksum={COMMIT}", GitLocation(REPOSITORY, COMMIT, checksum=COMMIT)),
        (
            f"{REPOSITORY}?tag=a&commit=abcdef0",
            GitLocation(REPOSITORY, "refs/tags/a", "", "abcdef0"),
        ),
        (f"{REPOSITORY}?keep-git-dir", GitLocation(REPOSITORY, keep_git_dir=True)),
        (f"{REPOSITORY}?keep-git-dir=0", GitLocation(REPOSITORY, keep_git_dir=False)),
        (f"{REPOSITORY}?submodules=false", GitLocation(REPOSITORY, submodules=False)),
    ],
)
def test_locations(text, location):
    assert parse_git(text) == location


@pytest.mark.parametrize(
    "query", ["what=ever", "ref=a&ref=b", "ref=a#b", "checksum=xyz", "submodules=perhaps"]
)
def test_queries_that_mean_nothing(query):
    with pytest.raises(InvalidValueError, match="is not the location of a Git repository"):
        parse_git(f"{REPOSITORY}?{query}")


def test_a_password_and_a_query_are_never_shown():
    assert shown_url("https://me:secret@host:1/a?key=secret#secret") == "https://host:1/a"
    assert parse_git("https://me:secret@host/a.git#v1").shown == "https://host/a.git"
    assert shown_url("git@host:name") == "git@host:name"


@pytest.mark.parametrize(
    "text", ["https://[host/a.git", "http://me:secret@[::1/a.git", "https://\u2100/a.git"]
)
def test_what_python_takes_for_no_url_is_no_repository_and_shows_nothing(text):
    assert is_remote(text)
    assert not is_git(text)
    assert shown_url(text) == f"{text.partition(':')[0]}://…"
    assert path_of(text) == ""
