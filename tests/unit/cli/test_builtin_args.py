"""The build args that the builder itself obeys."""

import pytest

from amphora.build.caches.places import CachePlace, Inline
from amphora.cli.commands.build import read_build
from amphora.core.errors import InvalidValueError


@pytest.fixture
def read(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def read(*arguments: str):
        return read_build([*arguments, "."])

    return read


def given(name: str, value: str) -> str:
    return f"--build-arg={name}={value}"


def test_without_any_all_is_as_usual(read):
    request, _ = read()
    assert (request.run.host_name, request.run.cache_namespace) == ("amphora", "")
    assert (request.cache_to, request.always_index, request.source_date_epoch) == ([], False, None)


def test_each_is_obeyed(read):
    request, wanted = read(
        given("BUILDKIT_SANDBOX_HOSTNAME", "builder"),
        given("BUILDKIT_CACHE_MOUNT_NS", "mine"),
        given("BUILDKIT_INLINE_CACHE", "1"),
        given("BUILDKIT_MULTI_PLATFORM", "true"),
        given("SOURCE_DATE_EPOCH", "12"),
        "--output=type=local,dest=out",
    )
    assert (request.run.host_name, request.run.cache_namespace) == ("builder", "mine")
    assert request.cache_to == [CachePlace(Inline())]
    assert request.always_index
    assert request.source_date_epoch == 12
    assert [output.split for output in wanted.outputs] == [True]


def test_a_cache_is_inline_once(read):
    request, _ = read(given("BUILDKIT_INLINE_CACHE", "1"), "--cache-to=type=inline")
    assert request.cache_to == [CachePlace(Inline())]


def test_what_the_output_says_itself_counts(read):
    _, wanted = read(
        given("BUILDKIT_MULTI_PLATFORM", "1"), "--output=type=local,dest=out,platform-split=false"
    )
    assert [output.split for output in wanted.outputs] == [False]


def test_an_epoch_that_is_given_goes_before_that_of_the_environment(read, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert read()[0].source_date_epoch == 7
    assert read(given("SOURCE_DATE_EPOCH", "12"))[0].source_date_epoch == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BUILDKIT_SANDBOX_HOSTNAME", "a b"),
        ("BUILDKIT_SANDBOX_HOSTNAME", "-a"),
        ("BUILDKIT_SANDBOX_HOSTNAME", "a" * 64),
        ("BUILDKIT_INLINE_CACHE", "yes"),
        ("BUILDKIT_MULTI_PLATFORM", "2"),
        ("SOURCE_DATE_EPOCH", "-1"),
        ("SOURCE_DATE_EPOCH", "9" * 20),
    ],
)
def test_what_they_cannot_be(read, name, value):
    with pytest.raises(InvalidValueError, match=f"{name} cannot be"):
        read(given(name, value))
