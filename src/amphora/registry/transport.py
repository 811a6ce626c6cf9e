"""One HTTP request, as often as it takes: connections, time-outs, retries.

Knows nothing of registries: no authorisation, no redirects, no meaning of a status
but "try again".
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from amphora import __version__
from amphora.registry import failures
from amphora.registry.endpoint import Endpoint, is_loopback
from amphora.registry.retry import TRANSIENT_STATUSES, Retry

#: Seconds to connect, and seconds of silence in the middle of an exchange.
CONNECT_TIMEOUT = 10.0
SILENCE_TIMEOUT = 60.0

Body = bytes | Callable[[], AsyncIterator[bytes]] | None


@dataclass(frozen=True, slots=True)
class Call:
    """What to send. A body that is not bytes is made anew for every attempt.

    `repeatable`: sending it twice does no harm, so it may be retried.
    """

    method: str
    url: httpx2.URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body = None
    repeatable: bool = True


class Transport:
    """Sends calls over connections that are kept until `close`."""

    def __init__(self, endpoint: Endpoint, retry: Retry) -> None:
        self._endpoint = endpoint
        self.retry = retry
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(SILENCE_TIMEOUT, connect=CONNECT_TIMEOUT, pool=None),
            headers={"User-Agent": f"amphora/{__version__}", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=not is_loopback(endpoint.domain),
        )

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx2.Response]:
        """The answer to a call, its body still to be read.

        Raises RegistryUnreachableError if there is none. A connection that is lost
        while the body is read shows as httpx2.TransportError: only the reader knows
        whether it can resume.
        """
        attempt = 1
        while (response := await self._try(call, attempt)) is None:
            attempt += 1
        try:
            yield response
        finally:
            await response.aclose()

    async def _try(self, call: Call, attempt: int) -> httpx2.Response | None:
        """The answer, or None after a pause if another attempt is due."""
        content = call.body() if callable(call.body) else call.body
        request = self._client.build_request(
            call.method, call.url, headers=dict(call.headers), content=content
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx2.TransportError as error:
            if self.retry.is_last(attempt) or not _may_retry(call, error):
                raise failures.unreachable(self._name(call.url), error) from error
            await self.retry.pause(attempt)
            return None
        transient = call.repeatable and response.status_code in TRANSIENT_STATUSES
        if not transient or self.retry.is_last(attempt):
            return response
        await response.aclose()
        await self.retry.pause(attempt, response.headers)
        return None

    def _name(self, url: httpx2.URL) -> str:
        """The registry as references call it, or the other host that it sent us to."""
        host = url.netloc.decode("ascii")
        return self._endpoint.domain if host == self._endpoint.host else host


def _may_retry(call: Call, error: httpx2.TransportError) -> bool:
    if failures.is_certificate_problem(error):
        return False
    never_sent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
    return call.repeatable or never_sent


async def read_bounded(response: httpx2.Response, limit: int) -> bytes:
    """The whole body; raises OverflowError as soon as it is longer than `limit` bytes."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise OverflowError(f"more than {limit} bytes")
    return bytes(body)
