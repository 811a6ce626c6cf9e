"""The cache service of GitHub Actions, against a server that speaks as it is defined."""

import asyncio
from dataclasses import replace

import pytest

from amphora.core.errors import CacheError
from amphora.remote.actions import ActionsCache
from amphora.remote.keepers import ActionsService
from amphora.remote.patience import Patience


@pytest.fixture
def service(actions):
    return ActionsService(f"{actions.url}/", actions.token, timeout=30)


def use(service, work, attempts=3):
    async def run():
        async with ActionsCache(service, Patience(attempts, first_pause=0.01)) as cache:
            return await work(cache)

    return asyncio.run(run())


def put(service, name, content):
    use(service, lambda cache: cache.put(name, content))


def read(service, name):
    content = bytearray()
    there = use(service, lambda cache: cache.download(name, content.extend))
    return bytes(content) if there else None


def test_what_is_put_is_there(service, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 5000)
    put(service, "record", b"one")
    put(service, "layer", file)
    assert read(service, "record") == b"one"
    assert read(service, "layer") == file.read_bytes()
    assert use(service, lambda cache: cache.look("layer")) is not None


def test_what_is_not_there(service):
    put(service, "name-and-more", b"another")
    assert use(service, lambda cache: cache.look("name")) is None
    assert read(service, "name") is None


def test_the_newest_of_a_name_counts(service):
    """Entries never change: another is put beside, which heals what is damaged."""
    put(service, "name", b"old")
    put(service, "name", b"new")
    assert read(service, "name") == b"new"


def test_what_a_killed_writer_began_is_in_nobodys_way(service, actions):
    actions.instead["POST /twirp/github.actions.results.api.v1.CacheService/Finalize"] = (
        400,
        b"{}",
    )
    with pytest.raises(CacheError):
        put(service, "name", b"never finished")
    assert read(service, "name") is None
    put(service, "name", b"whole")
    assert read(service, "name") == b"whole"


def test_what_is_temporary_is_tried_again(service, actions):
    put(service, "name", b"content")
    actions.instead |= {"POST": (429, b""), "GET": (503, b"")}
    assert read(service, "name") == b"content"
    actions.instead |= {"PUT": (500, b"")}
    put(service, "other", b"content")
    assert read(service, "other") == b"content"


def test_a_connection_that_is_cut_is_taken_up_again(service, actions, tmp_path):
    content = bytes(range(256)) * 1000
    put(service, "layer", content)
    actions.cuts = True
    assert read(service, "layer") == content
    assert sum(line.startswith("GET") for line in actions.asked) == 2


@pytest.mark.parametrize(
    ("method", "status", "body", "why", "advice"),
    [
        (
            "POST",
            403,
            b'{"code":"permission_denied","msg":"no"}',
            "403: permission_denied no",
            "fork",
        ),
        ("POST", 404, b"<html>", "answered 404", "url_v2"),
        ("POST", 200, b"<html>", "CreateCacheEntry is answered", "url_v2"),
        ("POST", 200, b'{"ok":false,"message":"full"}', "full", "limits"),
        ("POST", 200, b" " * 100_000, "longer than", "url_v2"),
        ("PUT", 403, b"<Error><Message>sig is old</Message></Error>", "403: sig is old", "token"),
    ],
)
def test_why_it_is_not_kept(service, actions, method, status, body, why, advice):
    actions.instead[method] = (status, body)
    with pytest.raises(CacheError) as caught:
        put(service, "name", b"content")
    assert why in caught.value.why
    assert advice in caught.value.next_command


def test_nobody_there(service):
    nobody = replace(service, url="http://127.0.0.1:1")
    with pytest.raises(CacheError, match="no answer") as caught:
        put(nobody, "name", b"content")
    assert "connection failed" in caught.value.why


def test_outside_of_a_job(service):
    for missing in (replace(service, url=""), replace(service, token="")):
        with pytest.raises(CacheError, match="not known here"):
            read(missing, "name")


def test_it_may_not_take_forever(service, actions):
    actions.instead["POST"] = (503, b"")
    with pytest.raises(CacheError, match="too slow") as caught:
        asyncio.run(_look_patiently(replace(service, timeout=0.05)))
    assert "timeout=30m" in caught.value.next_command


async def _look_patiently(service):
    async with ActionsCache(service, Patience(attempts=9, first_pause=10)) as cache:
        await cache.look("name")


def test_no_secret_is_told(service, actions):
    assert actions.token not in repr(service)
    put(service, "name", b"content")
    actions.instead["GET"] = (403, b"<Error><Message>see http://x/?sig=secret-signature</Message>")
    with pytest.raises(CacheError) as caught:
        read(service, "name")
    assert "secret-signature" not in str(caught.value)
    assert actions.token not in str(caught.value)
