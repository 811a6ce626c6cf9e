"""Tokens go to the servers that they are for, whole and to no other, and are shown nowhere."""

import asyncio
import base64

import pytest

from amphora.core.errors import FetchError, InvalidValueError
from amphora.remote.authorization import Authorizations
from amphora.remote.download import Downloads


def basic(token: str) -> str:
    return f"basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        ({}, None),
        ({"HTTP_AUTH_TOKEN_host": b"t\n"}, "Bearer t"),
        ({"HTTP_AUTH_HEADER_host": b"Basic eDp5"}, "Basic eDp5"),
        ({"HTTP_AUTH_TOKEN_host": b"t", "HTTP_AUTH_HEADER_host": b"Token x"}, "Token x"),
        ({"HTTP_AUTH_TOKEN_other": b"t"}, None),
        ({"HTTP_AUTH_TOKEN": b"t"}, None),
        ({"GIT_AUTH_TOKEN": b"t"}, None),
    ],
)
def test_the_header_for_a_file(secrets, header):
    assert Authorizations(secrets).of_file("https://me:secret@host:8443/file") == header


@pytest.mark.parametrize(
    ("secrets", "header"),
    [
        ({}, None),
        ({"GIT_AUTH_TOKEN": b"t"}, basic("t")),
        ({"GIT_AUTH_TOKEN": b"t", "GIT_AUTH_TOKEN.host:8443": b"own"}, basic("own")),
        ({"GIT_AUTH_HEADER": b"bearer x", "GIT_AUTH_TOKEN": b"t"}, "bearer x"),
        ({"GIT_AUTH_HEADER": b"bearer x", "GIT_AUTH_TOKEN.host:8443": b"own"}, basic("own")),
        ({"GIT_AUTH_TOKEN.host": b"t"}, None),
        ({"HTTP_AUTH_TOKEN_host": b"t"}, None),
    ],
)
def test_the_header_for_a_repository(secrets, header):
    assert Authorizations(secrets).of_repository("https://host:8443/name.git") == header


@pytest.mark.parametrize("content", [b"a\nInjected: yes", b"\xff", b"a\0b"])
def test_what_is_no_header_is_refused_and_not_shown(content):
    with pytest.raises(InvalidValueError, match="'GIT_AUTH_TOKEN' cannot be sent") as caught:
        Authorizations({"GIT_AUTH_TOKEN": content}).of_repository("https://host/name.git")
    assert "Injected" not in str(caught.value)


def test_they_are_not_in_what_is_printed_of_them():
    assert "xyzzy" not in repr(Authorizations({"GIT_AUTH_TOKEN": b"xyzzy"}))


def test_a_redirect_to_another_server_is_told_nothing(tmp_path, web, page):
    (tmp_path / "work").mkdir()
    secrets = {"HTTP_AUTH_TOKEN_127.0.0.1": b"xyzzy"}
    downloads = Downloads(tmp_path, tmp_path / "work", Authorizations(secrets))
    web.pages["/here"] = page(status=302, headers={"Location": "/there"})
    elsewhere = web.url("/file").replace("127.0.0.1", "localhost")
    web.pages["/there"] = page(status=302, headers={"Location": elsewhere})
    web.pages["/file"] = page(status=403)
    with pytest.raises(FetchError) as caught:
        asyncio.run(downloads.fetch(web.url("/here")))
    told = [(path, headers.get("Authorization")) for path, headers in web.asked]
    assert told == [("/here", "Bearer xyzzy"), ("/there", "Bearer xyzzy"), ("/file", None)]
    assert "xyzzy" not in str(caught.value) + caught.value.next_command
