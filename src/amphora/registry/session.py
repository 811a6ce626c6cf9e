"""Requests to one registry: authorised, redirected, and refused in our own words.

Authorization goes to the registry's own origin and nowhere else; a redirect from
https to http is not followed.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx2
from msgspec import Struct, field

from amphora.core.errors import AmphoraError, RegistryError
from amphora.registry import failures
from amphora.registry.auth import Authenticator, Scopes
from amphora.registry.challenge import parse_challenges
from amphora.registry.endpoint import Endpoint
from amphora.registry.transport import Body, Call, Transport, read_bounded

#: Manifests may be this large and no larger, here as in most registries.
MAX_BODY = 4 << 20
MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: The redirects that keep a method and a body.
_FAITHFUL_REDIRECTS = frozenset({307, 308})


class Ask(Struct, frozen=True):
    """One thing wanted of the registry; `action` completes "did not let us …".

    `target` is a path below the registry, or a URL it gave us. Statuses other than
    those in `accept` raise.
    """

    action: str
    method: str
    target: str | httpx2.URL
    scopes: Scopes
    accept: frozenset[int]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = None
    repeatable: bool = True


class Reply(Struct, frozen=True):
    """An answer with its small body; `url` is what answered, after redirects."""

    status: int
    headers: httpx2.Headers
    url: httpx2.URL
    body: bytes


class Session:
    """Asks one registry. Raises RegistryUnreachableError, RegistryAuthError, NotFoundError
    and RegistryError, as `failures` says."""

    def __init__(
        self, endpoint: Endpoint, transport: Transport, authenticator: Authenticator
    ) -> None:
        self.domain = endpoint.domain
        self.retry = transport.retry
        self._base = httpx2.URL(endpoint.url)
        self._transport = transport
        self._authenticator = authenticator

    async def request(self, ask: Ask) -> Reply:
        """Ask and read the answer whole; its body is bounded by MAX_BODY."""
        attempt = 1
        while True:
            try:
                async with self.stream(ask) as response:
                    body = await read_bounded(response, MAX_BODY)
                    return Reply(response.status_code, response.headers, response.url, body)
            except OverflowError as error:
                raise self.nonsense(ask.action, f"the answer has {error}") from None
            except httpx2.TransportError as error:
                if not ask.repeatable or self.retry.is_last(attempt):
                    raise failures.unreachable(self.domain, error) from error
            await self.retry.pause(attempt)
            attempt += 1

    @asynccontextmanager
    async def stream(self, ask: Ask) -> AsyncIterator[httpx2.Response]:
        """Ask, follow redirects, and leave the body to the caller.

        A connection lost while the body is read shows as httpx2.TransportError.
        """
        url = self._base.join(ask.target)
        for _ in range(1 + MAX_REDIRECTS):
            async with self._authorised(ask, url) as response:
                if not _redirects(ask, response):
                    if response.status_code not in ask.accept:
                        raise await self._refusal(ask, response)
                    yield response
                    return
                url = self.location(ask.action, url, response.headers)
        raise self.nonsense(ask.action, f"it redirected us more than {MAX_REDIRECTS} times")

    def location(self, action: str, url: httpx2.URL, headers: httpx2.Headers) -> httpx2.URL:
        """Where a Location header leads; raises RegistryError for one that leads nowhere safe."""
        try:
            target = url.join(headers.get("location", ""))
        except httpx2.InvalidURL:
            raise self.nonsense(action, "its Location header is not a URL") from None
        if "location" not in headers or target.scheme not in {"http", "https"} or not target.host:
            raise self.nonsense(action, "its Location header leads nowhere")
        if url.scheme == "https" and target.scheme == "http":
            raise self.nonsense(
                action, f"it sent us from https to plain http on {target.host}, which is not safe"
            )
        return target.copy_with(userinfo=b"")

    def nonsense(self, action: str, why: str) -> RegistryError:
        return failures.nonsense(self.domain, action, why)

    @asynccontextmanager
    async def _authorised(self, ask: Ask, url: httpx2.URL) -> AsyncIterator[httpx2.Response]:
        call = Call(ask.method, url, ask.headers, ask.body, ask.repeatable)
        if _origin(url) != _origin(self._base):
            async with self._transport.stream(call) as response:
                yield response
            return
        used = self._authenticator.header(ask.scopes)
        async with self._transport.stream(_with(call, used)) as response:
            if response.status_code != 401:
                yield response
                return
            challenges = parse_challenges(response.headers.get_list("www-authenticate"))
        renewed = await self._authenticator.renew(challenges, ask.scopes, used)
        async with self._transport.stream(_with(call, renewed)) as response:
            yield response

    async def _refusal(self, ask: Ask, response: httpx2.Response) -> AmphoraError:
        body = b""
        with suppress(httpx2.TransportError, OverflowError):
            body = await read_bounded(response, MAX_BODY)
        status, identity = response.status_code, self._authenticator.identity
        return failures.Refusal(ask.action, self.domain, status, body, identity).error()


def _redirects(ask: Ask, response: httpx2.Response) -> bool:
    allowed = _REDIRECTS if ask.method in {"GET", "HEAD"} else _FAITHFUL_REDIRECTS
    return response.status_code in allowed and response.status_code not in ask.accept


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _with(call: Call, authorization: str | None) -> Call:
    if authorization is None:
        return call
    return replace(call, headers={**call.headers, "Authorization": authorization})
