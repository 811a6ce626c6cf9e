"""The small parts of the client that need no server."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.errors import RegistryError
from amphora.registry import failures
from amphora.registry.auth import Authenticator
from amphora.registry.challenge import Challenge, parse_challenges
from amphora.registry.endpoint import Endpoint
from amphora.registry.parallel import for_each
from amphora.registry.retry import Retry, retry_after
from amphora.registry.session import Session
from amphora.registry.transport import Transport


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.8.0.1:80", "http://127.8.0.1:80"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000"),
        ("192.168.0.7:5000", "http://192.168.0.7:5000"),
        ("192.168.0.7", "https://192.168.0.7"),
        ("localhost.example.com", "https://localhost.example.com"),
    ],
)
def test_plain_http_only_for_loopback_and_what_is_listed(domain, url):
    assert Endpoint.of(domain, ["192.168.0.7:5000"]).url == url


def test_challenges_are_taken_apart():
    header = (
        'Negotiate, Bearer realm="https://auth/token",service="a, \\"b\\"",'
        'scope="repository:a/b:pull,push", basic realm=plain'
    )
    assert parse_challenges([header, "Basic"]) == (
        Challenge("negotiate", {}),
        Challenge(
            "bearer",
            {
                "realm": "https://auth/token",
                "service": 'a, "b"',
                "scope": "repository:a/b:pull,push",
            },
        ),
        Challenge("basic", {"realm": "plain"}),
        Challenge("basic", {}),
    )


@given(st.lists(st.text()))
def test_no_challenge_is_too_strange(headers):
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()


def test_retry_after_in_seconds_and_as_a_date():
    assert retry_after("7") == 7
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < retry_after(soon) <= 100
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert [retry_after(value) for value in (past, "", "-3", "soon", "²")] == [0] * 5


def test_a_server_cannot_make_us_wait_for_ever():
    asyncio.run(Retry(longest_delay=0.01).pause(1, {"retry-after": "100000000"}))


@given(st.binary(max_size=3000))
def test_a_quoted_body_is_short_and_printable(body):
    text = failures.excerpt(body)
    assert text.isprintable()
    assert len(text) <= failures.EXCERPT_LENGTH + 1


def test_a_redirect_from_https_to_http_is_refused():
    endpoint = Endpoint.of("registry.example")

    async def work() -> None:
        transport = Transport(endpoint, Retry())
        session = Session(endpoint, transport, Authenticator(endpoint, transport, {}))
        here = httpx2.URL("https://registry.example/v2/")

        def follow(location: str) -> httpx2.URL:
            return session.location("read", here, httpx2.Headers({"location": location}))

        with pytest.raises(RegistryError, match=r"plain http on other\.example") as caught:
            follow("http://other.example/x?signature=abc")
        assert "abc" not in str(caught.value)
        assert follow("https://user:secret@other.example/x") == "https://other.example/x"
        assert follow("/up?a=b%3D") == "https://registry.example/up?a=b%3D"
        await transport.close()

    asyncio.run(work())


def test_the_first_failure_is_raised_bare_and_ends_the_rest():
    started, ended = [], []

    async def work(item: int) -> None:
        started.append(item)
        if item == 1:
            raise RegistryError("no", why="because", next_command="stop")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)

    with pytest.raises(RegistryError):
        asyncio.run(for_each(range(100), work, limit=3))
    assert len(started) <= 4
    assert set(ended) == set(started) - {1}


def test_no_more_at_a_time_than_agreed():
    now, most = 0, 0

    async def work(_item: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    asyncio.run(for_each(range(20), work, limit=3))
    assert most == 3


def test_blanks_before_nonsense_are_looked_at_once():
    """Each once: with every way to divide them this would take hours."""
    assert parse_challenges(["Basic" + " " * 1_000_000 + '"']) == (Challenge("basic", {}),)
