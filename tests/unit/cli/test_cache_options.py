"""--cache-from and --cache-to, as values."""

from pathlib import Path

import pytest

from amphora.build.cache_place import CachePlace
from amphora.cli.cache_options import read_cache
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference

CACHE = Reference.parse("localhost:5000/cache:main")


@pytest.mark.parametrize(
    ("flag", "text", "expected"),
    [
        ("--cache-from", "localhost:5000/cache:main", CachePlace(reference=CACHE)),
        (
            "--cache-from",
            "type=registry,ref=localhost:5000/cache:main",
            CachePlace(reference=CACHE),
        ),
        ("--cache-from", "type=local,src=/a", CachePlace(path=Path("/a"))),
        ("--cache-to", "type=local,dest=/a,mode=max", CachePlace(path=Path("/a"), everything=True)),
        (
            "--cache-to",
            "type=registry,ref=localhost:5000/cache:main,mode=min,image-manifest=true",
            CachePlace(reference=CACHE),
        ),
    ],
)
def test_what_buildx_takes(flag, text, expected):
    assert read_cache(flag, text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type=gha", "its types are local and registry"),
        ("type=local", "type=local needs dest"),
        ("type=local,src=/a", "has no option 'src'"),
        ("type=registry,ref=a,mode=most", "mode is min or max"),
        ("type=registry,ref=a,oci-mediatypes=false", "is always true here"),
        ("type=registry,ref", "it is written as"),
        ('type=registry,"ref=a', "unexpected end"),
    ],
)
def test_what_is_no_cache(text, why):
    with pytest.raises(InvalidValueError, match="--cache-to cannot be") as caught:
        read_cache("--cache-to", text)
    assert why in caught.value.why


def test_a_tag_is_never_too_long():
    place = CachePlace(reference=Reference("a.example", "b", "t" * 128))
    tagged = place.tagged("0" * 64)
    assert Reference.parse(str(tagged)) == tagged
