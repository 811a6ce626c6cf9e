"""One blob from a registry into the store, verified, resumed where a connection was cut."""

import re

import httpx2

from amphora.core.descriptor import Descriptor
from amphora.core.errors import DigestMismatchError
from amphora.oci.blobs import BlobStore, BlobWriter
from amphora.registry import failures
from amphora.registry.manifests import pull_scope
from amphora.registry.progress import Meter
from amphora.registry.session import Ask, Session
from amphora.system.tasks import in_thread

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


async def download(
    session: Session, repository: str, descriptor: Descriptor, blobs: BlobStore, meter: Meter
) -> None:
    """Fetch a blob whole or not at all.

    Raises DigestMismatchError when the registry sends something else, and
    RegistryUnreachableError when it is cut again and again without getting any further.
    """
    with blobs.writer(descriptor.digest.algorithm) as writer:
        stalls = 0
        while True:
            before = writer.size
            cut = await _append(session, repository, descriptor, writer, meter)
            if cut is None or writer.size == descriptor.size:
                break
            stalls = 1 if writer.size > before else stalls + 1
            if session.retry.is_last(stalls):
                raise failures.unreachable(session.domain, cut) from cut
            await session.retry.pause(stalls)
        await in_thread(writer.commit, descriptor.digest, descriptor.size)


async def _append(
    session: Session,
    repository: str,
    descriptor: Descriptor,
    writer: BlobWriter,
    meter: Meter,
) -> httpx2.TransportError | None:
    """Read from where the writer is to the end; returns what cut it short, if anything did."""
    ask = Ask(
        f"read blob {descriptor.digest} of {repository}",
        "GET",
        f"/v2/{repository}/blobs/{descriptor.digest}",
        pull_scope(repository),
        frozenset({200, 206} if writer.size else {200}),
        {"Range": f"bytes={writer.size}-"} if writer.size else {},
    )
    async with session.stream(ask) as response:
        known = _bytes_known_already(session, ask, response, writer.size)
        try:
            async for received in response.aiter_raw():
                chunk = received[known:]
                known -= len(received) - len(chunk)
                await _write(writer, chunk, descriptor)
                meter.at(writer.size)
        except httpx2.TransportError as error:
            return error
    return None


async def _write(writer: BlobWriter, chunk: bytes, descriptor: Descriptor) -> None:
    if writer.size + len(chunk) > descriptor.size:
        raise DigestMismatchError(
            f"blob {descriptor.digest} is larger than its manifest says",
            why=f"{descriptor.size} bytes were announced and more keep coming",
            next_command="try again; if it persists, do not trust this registry",
        )
    await in_thread(writer.write, chunk)


def _bytes_known_already(session: Session, ask: Ask, response: httpx2.Response, offset: int) -> int:
    """How much of the body to skip: all we have, if the server does not know Range."""
    if response.status_code == 200:
        return offset
    sent = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if sent is None or int(sent[1]) != offset:
        raise session.nonsense(ask.action, "it sent another part than we asked for")
    return 0
