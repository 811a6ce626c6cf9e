"""References against the tables of distribution's grammar and docker's normalisation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:13", "docker.io/library/debian:13", "debian:13"),
        ("me/app", "docker.io/me/app:latest", "me/app:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("library/library", "docker.io/library/library:latest", "library:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost", "docker.io/library/localhost:latest", "localhost:latest"),
        ("docker.io", "docker.io/library/docker.io:latest", "docker.io:latest"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1", "localhost:5000/a/b:1"),
        ("registry:5000/app", "registry:5000/app:latest", "registry:5000/app:latest"),
        ("Registry/app", "Registry/app:latest", "Registry/app:latest"),
        ("ghcr.io/me/app:v1.0", "ghcr.io/me/app:v1.0", "ghcr.io/me/app:v1.0"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("127.0.0.1/app", "127.0.0.1/app:latest", "127.0.0.1/app:latest"),
        ("a/b__c.d-e--f", "docker.io/a/b__c.d-e--f:latest", "a/b__c.d-e--f:latest"),
        ("app:_T.a-g", "docker.io/library/app:_T.a-g", "app:_T.a-g"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}", f"app@{DIGEST}"),
        (f"app:1@{DIGEST}", f"docker.io/library/app:1@{DIGEST}", f"app:1@{DIGEST}"),
        ("docker.io/foo.bar/x", "docker.io/foo.bar/x:latest", "docker.io/foo.bar/x:latest"),
        ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
    ],
)
def test_names_are_completed_and_shortened_as_docker_does(text, full, familiar):
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert Reference.parse(familiar) == Reference.parse(full) == reference


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a repository name"),
        ("a" * 64, "an image ID"),
        ("Debian", "lower case"),
        ("ghcr.io/Me/app", "lower case"),
        ("a//b", "not a repository name"),
        ("a/", "not a repository name"),
        ("/a", "not a repository name"),
        ("a___b", "not a repository name"),
        ("a..b", "not a repository name"),
        ("-a", "not a repository name"),
        ("a_", "not a repository name"),
        ("../../etc/passwd", "not a host name"),
        ("ghcr.io/../x", "not a repository name"),
        ("a b", "not a repository name"),
        ("a\n", "not a repository name"),
        ("host:port/a", "not a host name"),
        ("-host.io/a", "not a host name"),
        ("host_name.io/a", "not a host name"),
        ("[::1/a", "not a host name"),
        ("a:", "not a tag"),
        ("a:.b", "not a tag"),
        ("a:b:c", "not a tag"),
        ("a:b/c@d", "algorithm:hex"),
        ("a:" + "t" * 129, "not a tag"),
        ("a@", "algorithm:hex"),
        ("a@sha256:12", "64 lower-case"),
        (f"a@{DIGEST}@{DIGEST}", "algorithm:hex"),
        (f"a@{DIGEST}:tag", "algorithm:hex"),
        ("docker.io/", "not a repository name"),
    ],
)
def test_parse_says_what_is_wrong(text, why):
    with pytest.raises(InvalidValueError) as caught:
        Reference.parse(text)
    assert why in caught.value.why


def test_a_name_has_at_most_255_characters_domain_included():
    longest = "host.io/" + "a" * 247
    assert Reference.parse(longest).repository == longest
    with pytest.raises(InvalidValueError, match="longer than 255"):
        Reference.parse(longest + "a")


def test_a_tag_has_at_most_128_characters():
    assert Reference.parse("a:" + "t" * 128).tag == "t" * 128


def test_a_registry_is_asked_for_the_digest_rather_than_the_tag():
    reference = Reference.parse("app:1")
    assert reference.target == "1"
    pinned = reference.with_digest(Digest.parse(DIGEST))
    assert pinned.target == DIGEST
    assert str(pinned) == f"docker.io/library/app:1@{DIGEST}"


def part(pattern):
    return st.from_regex(rf"\A{pattern}\Z")


DOMAINS = part(r"[a-zA-Z0-9]{1,5}(-[a-z0-9]{1,3})?(\.[a-zA-Z0-9]{1,5}){1,2}(:[0-9]{1,4})?")
PATHS = part(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4})?(/[a-z0-9]{1,4}){0,2}")
TAGS = part(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}")


@given(
    st.sampled_from(["docker.io", "localhost"]) | DOMAINS,
    PATHS | PATHS.map("library/{}".format),
    st.none() | TAGS,
    st.none() | st.just(DIGEST),
)
def test_every_form_reads_back_the_same(domain, path, tag, digest):
    text = f"{domain}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@given(st.text(max_size=60) | st.from_regex(r"\A[a-zA-Z0-9./:@_-]{0,40}\Z"))
def test_parse_of_anything_is_a_reference_or_an_invalid_value(text):
    try:
        reference = Reference.parse(text)
    except InvalidValueError:
        return
    assert Reference.parse(str(reference)) == reference
