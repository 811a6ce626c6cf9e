"""One blob into a registry: not at all if it is there, by mount, in one piece, or in chunks.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-blobs
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import httpx2
from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.errors import RegistryUnreachableError
from amphora.registry.manifests import pull_scope
from amphora.registry.progress import How, Meter
from amphora.registry.retry import TRANSIENT_STATUSES
from amphora.registry.session import Ask, Reply, Session

#: Blobs up to this size go in one piece, larger ones in pieces of it.
CHUNK = 16 << 20
_READ = 256 << 10

_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")


class _InterruptedError(Exception):
    """An upload session is lost or stuck; a new one may do better.

    `headers` are the registry's last ones, which may say when to come back.
    """

    def __init__(self, why: str, headers: httpx2.Headers | None = None) -> None:
        super().__init__(why)
        self.headers = headers


class _Place(Struct, frozen=True):
    """Where the next bytes of an upload go, and how many are there already."""

    url: httpx2.URL
    offset: int


class Uploader(Struct, frozen=True):
    """Uploads blobs to one repository of a registry."""

    session: Session
    repository: str
    chunk: int = CHUNK

    async def upload(
        self, descriptor: Descriptor, path: Path, source: str | None, meter: Meter
    ) -> How:
        """Make sure the registry has the blob in the file `path`.

        `source` is another repository of this registry that is known to hold it. Raises
        RegistryUnreachableError when upload after upload is interrupted, else what
        Session raises.
        """
        attempt = 1
        while True:
            try:
                return await self._once(descriptor, path, source, meter)
            except _InterruptedError as interruption:
                if self.session.retry.is_last(attempt):
                    raise self._gave_up(descriptor, interruption) from interruption
                headers = interruption.headers
            await self.session.retry.pause(attempt, headers)
            attempt += 1

    async def _once(
        self, descriptor: Descriptor, path: Path, source: str | None, meter: Meter
    ) -> How:
        if await self._exists(descriptor):
            return How.PRESENT
        opened = await self._open(descriptor, source)
        if opened.status == 201:
            return How.MOUNTED
        place = _Place(self._location(opened), 0)
        size = max(self.chunk, _minimum(opened.headers))
        if descriptor.size > size:
            place = await self._send_chunks(place, descriptor, path, size, meter)
        await self._finish(place, descriptor, path, meter)
        return How.UPLOADED

    async def _exists(self, descriptor: Descriptor) -> bool:
        target = f"/v2/{self.repository}/blobs/{descriptor.digest}"
        reply = await self.session.request(self._ask("HEAD", target, {200, 404}))
        return reply.status == 200

    async def _open(self, descriptor: Descriptor, source: str | None) -> Reply:
        """Start an upload, which is over at once (201) if the blob could be mounted."""
        query = {"mount": str(descriptor.digest), "from": source} if source else {}
        target = httpx2.URL(f"/v2/{self.repository}/blobs/uploads/", params=query)
        ask = self._ask("POST", target, {201, 202} if source else {202})
        if source is None:
            return await self.session.request(ask)
        scopes = ask.scopes | pull_scope(source)
        return await self.session.request(
            Ask(ask.action, "POST", target, scopes, ask.accept, {"Content-Length": "0"})
        )

    async def _send_chunks(
        self, place: _Place, descriptor: Descriptor, path: Path, size: int, meter: Meter
    ) -> _Place:
        """PATCH all but the last chunk, going back to what the registry has when one fails."""
        stalls = 0
        while descriptor.size - place.offset > size:
            meter.at(place.offset)
            body = _Piece(path, place.offset, size, meter)
            try:
                reply = await self.session.request(self._patch(place, body))
            except RegistryUnreachableError:
                reply = None
            if reply is not None and reply.status == 202:
                place, stalls = _Place(self._location(reply), place.offset + size), 0
                continue
            stalls += 1
            if self.session.retry.is_last(stalls):
                raise _InterruptedError(f"it stays at {place.offset} bytes")
            await self.session.retry.pause(stalls, reply.headers if reply else None)
            place = await self._where(place)
        meter.at(place.offset)
        return place

    def _patch(self, place: _Place, body: "_Piece") -> Ask:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(body.size),
            "Content-Range": f"{body.start}-{body.start + body.size - 1}",
        }
        accept = {202, 404, 416, *TRANSIENT_STATUSES}
        return self._ask("PATCH", place.url, accept, headers, body.stream, repeatable=False)

    async def _where(self, place: _Place) -> _Place:
        """How far an upload came, as the registry sees it."""
        reply = await self.session.request(self._ask("GET", place.url, {200, 204, 404}))
        if reply.status == 404:
            raise _InterruptedError("the registry forgot it")
        url = self._location(reply) if "location" in reply.headers else place.url
        known = _RANGE.fullmatch(reply.headers.get("range", ""))
        # Nothing at all and one byte both read `0-0`; one byte more or less is no loss.
        last = int(known[1]) if known else 0
        return _Place(url, last + 1 if last else 0)

    async def _finish(
        self, place: _Place, descriptor: Descriptor, path: Path, meter: Meter
    ) -> None:
        """PUT what is left and name the digest, which the registry checks."""
        body = _Piece(path, place.offset, descriptor.size - place.offset, meter)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(body.size),
        }
        if place.offset:
            headers["Content-Range"] = f"{body.start}-{body.start + body.size - 1}"
        url = place.url.copy_merge_params({"digest": str(descriptor.digest)})
        accept = {201, 204, 404, 416, *TRANSIENT_STATUSES}
        ask = self._ask("PUT", url, accept, headers, body.stream, repeatable=False)
        try:
            reply = await self.session.request(ask)
        except RegistryUnreachableError as error:
            raise _InterruptedError(error.why) from error
        if reply.status not in {201, 204}:
            raise _InterruptedError(f"its last answer was {reply.status}", reply.headers)

    def _ask(
        self,
        method: str,
        target: str | httpx2.URL,
        accept: set[int],
        headers: dict[str, str] | None = None,
        body: Callable[[], AsyncIterator[bytes]] | None = None,
        *,
        repeatable: bool = True,
    ) -> Ask:
        return Ask(
            f"push to {self.repository}",
            method,
            target,
            push_scope(self.repository),
            frozenset(accept),
            headers or ({"Content-Length": "0"} if method == "POST" else {}),
            body,
            repeatable,
        )

    def _location(self, reply: Reply) -> httpx2.URL:
        action = f"push to {self.repository}"
        return self.session.location(action, reply.url, reply.headers)

    def _gave_up(
        self, descriptor: Descriptor, interruption: _InterruptedError
    ) -> RegistryUnreachableError:
        return RegistryUnreachableError(
            f"{self.session.domain} did not take blob {descriptor.digest}",
            why=f"{self.session.retry.attempts} uploads were interrupted: {interruption}",
            next_command="run the push again; what arrived is not sent twice",
        )


class _Piece(Struct, frozen=True):
    """Some bytes of a file, to be sent from the start as often as needed."""

    path: Path
    start: int
    size: int
    meter: Meter

    async def stream(self) -> AsyncIterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            sent = 0
            while sent < self.size:
                chunk = await asyncio.to_thread(partial(file.read, min(_READ, self.size - sent)))
                if not chunk:
                    return
                yield chunk
                sent += len(chunk)
                self.meter.at(self.start + sent)


def push_scope(repository: str) -> frozenset[str]:
    """https://distribution.github.io/distribution/spec/auth/scope/"""
    return frozenset({f"repository:{repository}:pull,push"})


def _minimum(headers: httpx2.Headers) -> int:
    """The smallest chunk a registry takes, if it says."""
    value = headers.get("oci-chunk-min-length", "")
    return int(value) if value.isascii() and value.isdigit() else 0
