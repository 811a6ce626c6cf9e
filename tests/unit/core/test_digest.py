"""Digests: the image specification's grammar, for the two registered algorithms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_of_is_the_sha256_of_the_content():
    digest = Digest.of(b"")
    assert str(digest) == EMPTY
    assert digest.short == "e3b0c44298fc"


@pytest.mark.parametrize("text", [EMPTY, "sha512:" + "0f" * 64])
def test_what_is_parsed_prints_the_same(text):
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "algorithm:hex"),
        ("sha256", "algorithm:hex"),
        ("sha256:", "algorithm:hex"),
        (":" + "a" * 64, "algorithm:hex"),
        ("sha256:../../../etc/passwd", "algorithm:hex"),
        (EMPTY + "\n", "algorithm:hex"),
        ("md5:" + "a" * 32, "sha256 and sha512"),
        ("sha384:" + "a" * 96, "sha256 and sha512"),
        (EMPTY[:-1], "64 lower-case hex digits"),
        (EMPTY + "0", "64 lower-case hex digits"),
        (EMPTY.replace("e3", "E3"), "64 lower-case hex digits"),
        ("sha256:" + "g" * 64, "64 lower-case hex digits"),
        ("sha512:" + "a" * 64, "128 lower-case hex digits"),
    ],
)
def test_parse_says_what_is_wrong(text, why):
    with pytest.raises(InvalidValueError) as caught:
        Digest.parse(text)
    assert why in caught.value.why


@given(st.text(max_size=80))
def test_parse_of_anything_is_a_digest_or_an_invalid_value(text):
    try:
        assert str(Digest.parse(text)) == text
    except InvalidValueError:
        return
