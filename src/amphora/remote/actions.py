"""The cache service of GitHub Actions, version 2: Twirp calls, and signed URLs for the bytes.

Its entries never change, and one that a killed writer began can never be begun again. So
each is written under a name of its own, the one it is asked for by and something random;
of those that begin alike, the service finds the newest.
https://github.com/actions/toolkit/tree/main/packages/cache
https://docs.github.com/en/actions/reference/workflows-and-actions/dependency-caching
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx2
import msgspec
from msgspec import Struct

from amphora.remote import service_failures as failures
from amphora.remote.client import http_client
from amphora.remote.keepers import ActionsService
from amphora.remote.named import Found, NamedBytes
from amphora.remote.patience import Patience
from amphora.system.tasks import in_thread

_SERVICE = "twirp/github.actions.results.api.v1.CacheService"
#: Entries are found by who names the same version: those of other tools are kept apart.
_VERSION = hashlib.sha256(b"amphora steps 1").hexdigest()
_MAX_ANSWER = 64 << 10
_READ = 256 << 10
#: https://learn.microsoft.com/en-us/rest/api/storageservices/put-blob
_BLOB = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/octet-stream"}

_Kind = TypeVar("_Kind", bound="_Answer")


class _Answer(Struct, frozen=True):
    ok: bool = False
    message: str = ""


class _Begun(_Answer, frozen=True):
    signed_upload_url: str = ""


class _Located(_Answer, frozen=True):
    signed_download_url: str = ""
    matched_key: str = ""


class ActionsCache(NamedBytes):
    """The entries that a job may see; an asynchronous context manager."""

    def __init__(self, service: ActionsService, patience: Patience | None = None) -> None:
        self._service = service
        self._patience = patience or Patience()
        self._clients: dict[str, httpx2.AsyncClient] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()

    async def look(self, name: str) -> Found | None:
        async with self._in_time():
            return Found() if await self._locate(name) else None

    async def download(self, name: str, write: Callable[[bytes], object]) -> bool:
        async with self._in_time():
            url = await self._locate(name)
            if url is None:
                return False
            written, attempt = 0, 1
            while True:
                before = written
                try:
                    async with aclosing(self._received(url, written)) as chunks:
                        async for chunk in chunks:
                            await in_thread(write, chunk)
                            written += len(chunk)
                except httpx2.TransportError as error:
                    attempt = 1 if written > before else attempt + 1
                    if self._patience.is_over(attempt):
                        raise failures.no_answer(error) from error
                    await self._patience.pause(attempt)
                else:
                    return True

    async def put(self, name: str, content: bytes | Path) -> None:
        key = f"{name}#{secrets.token_hex(8)}"
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        async with self._in_time():
            begun = await self._call("CreateCacheEntry", {"key": key}, _Begun)
            if not begun.ok:
                raise failures.not_kept(begun.message)
            await self._send(begun.signed_upload_url, content, size)
            # Protobuf's JSON has numbers of 64 bits as strings.
            finished = {"key": key, "size_bytes": str(size)}
            if not (await self._call("FinalizeCacheEntryUpload", finished, _Answer)).ok:
                raise failures.not_kept("it did not finish the entry")

    async def _locate(self, name: str) -> str | None:
        """Where the newest entry of that name can be read."""
        key = f"{name}#"
        asked = {"key": key, "restore_keys": [key]}
        found = await self._call("GetCacheEntryDownloadURL", asked, _Located)
        return found.signed_download_url if found.ok and found.matched_key.startswith(key) else None

    async def _call(self, method: str, message: Mapping[str, object], kind: type[_Kind]) -> _Kind:
        if not self._service.url or not self._service.token:
            raise failures.not_in_a_job()
        url = f"{self._service.url.rstrip('/')}/{_SERVICE}/{method}"
        content = msgspec.json.encode({**message, "version": _VERSION})
        headers = {
            "Authorization": f"Bearer {self._service.token}",
            "Content-Type": "application/json",
        }
        async with self._answer("POST", url, headers, lambda: content) as response:
            body = await _bounded(response)
            if response.status_code != httpx2.codes.OK:
                raise failures.refused(response.status_code, body)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise failures.nonsense(f"{method} is answered with {error}") from error

    async def _send(self, url: str, content: bytes | Path, size: int) -> None:
        """Put Blob takes up to 5000 MiB at once, which is half of what a repository may keep."""
        headers = {**_BLOB, "Content-Length": str(size)}

        def body() -> bytes | AsyncIterator[bytes]:
            return content if isinstance(content, bytes) else _pieces(content)

        async with self._answer("PUT", url, headers, body) as response:
            if response.status_code != httpx2.codes.CREATED:
                raise failures.refused(response.status_code, await _bounded(response))

    async def _received(self, url: str, offset: int) -> AsyncGenerator[bytes]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        expected = httpx2.codes.PARTIAL_CONTENT if offset else httpx2.codes.OK
        async with self._answer("GET", url, headers, lambda: b"") as response:
            if response.status_code != expected:
                raise failures.refused(response.status_code, await _bounded(response))
            async for chunk in response.aiter_raw():
                yield chunk

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, headers: Mapping[str, str], body: Callable[[], Any]
    ) -> AsyncIterator[httpx2.Response]:
        """What the service, or who keeps its bytes, says in the end; raises CacheError."""
        client = await self._client(url)
        attempt = 1
        while True:
            request = client.build_request(method, url, headers=headers, content=body())
            try:
                response = await client.send(request, stream=True)
            except httpx2.TransportError as error:
                if self._patience.is_over(attempt):
                    raise failures.no_answer(error) from error
                await self._patience.pause(attempt)
            else:
                try:
                    if not self._patience.asks_again(response, attempt):
                        yield response
                        return
                finally:
                    await response.aclose()
                await self._patience.pause(attempt, response.headers)
            attempt += 1

    async def _client(self, url: str) -> httpx2.AsyncClient:
        try:
            host = httpx2.URL(url).host
        except httpx2.InvalidURL as error:
            raise failures.nonsense("what should be a URL is none") from error
        if host not in self._clients:
            self._clients[host] = await self._stack.enter_async_context(http_client(host))
        return self._clients[host]

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._service.timeout):
                yield
        except TimeoutError as error:
            raise failures.too_slow(self._service.timeout) from error


async def _bounded(response: httpx2.Response) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_ANSWER:
                raise failures.nonsense(f"its answer is longer than {_MAX_ANSWER} bytes")
    except httpx2.TransportError as error:
        raise failures.no_answer(error) from error
    return bytes(body)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await in_thread(file.read, _READ):
            yield chunk
