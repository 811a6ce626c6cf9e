"""Uploads: started, continued chunk by chunk, asked for, cancelled, and finished.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-blobs
"""

import asyncio
import re
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from amphora.core.digest import Digest
from amphora.registry.server.names import check_repository, digest_of, repository_of
from amphora.registry.server.refusals import Refusal
from amphora.registry.server.sessions import UploadSession, out_of_order, progress_headers
from amphora.registry.server.storage import Storage

_CONTENT_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/(?:\d+|\*))?")


async def start_upload(request: Request) -> Response:
    """POST: mount a blob, take one whole, or open a session."""
    storage: Storage = request.app.state.storage
    repository = repository_of(request)
    if (mount := request.query_params.get("mount")) is not None:
        digest, source = digest_of(mount), request.query_params.get("from")
        if source is not None:
            check_repository(source)
        if await asyncio.to_thread(storage.mount, repository, source, digest):
            return _created(repository, digest)
    finished = _digest_parameter(request)
    session = await asyncio.to_thread(storage.uploads.create, repository)
    if finished is None:
        return Response(status_code=202, headers=progress_headers(session))
    await _append(request, session)
    return await _finish(storage, session, finished)


async def append_chunk(request: Request) -> Response:
    """PATCH: the next bytes; they stay even if the connection is lost in the middle."""
    session = _session(request)
    await _append(request, session)
    return Response(status_code=202, headers=progress_headers(session))


async def finish_upload(request: Request) -> Response:
    """PUT: perhaps the last bytes, and the digest of all."""
    digest = _digest_parameter(request)
    if digest is None:
        raise Refusal(400, "DIGEST_INVALID", "the parameter digest is missing")
    session = _session(request)
    await _append(request, session)
    return await _finish(request.app.state.storage, session, digest)


async def upload_status(request: Request) -> Response:
    """GET: how far it came."""
    return Response(status_code=204, headers=progress_headers(_session(request)))


async def cancel_upload(request: Request) -> Response:
    """DELETE."""
    await asyncio.to_thread(_session(request).discard)
    return Response(status_code=204)


def _session(request: Request) -> UploadSession:
    storage: Storage = request.app.state.storage
    return storage.uploads.find(repository_of(request), request.path_params["session"])


def _digest_parameter(request: Request) -> Digest | None:
    text = request.query_params.get("digest")
    return None if text is None else digest_of(text)


async def _append(request: Request, session: UploadSession) -> None:
    """Write a body to the end of a session's file, refusing one that belongs elsewhere.

    Raises DiskFullError.
    """
    with session.appending() as file:
        _check_range(request, session)
        try:
            async for chunk in request.stream():
                await asyncio.to_thread(_write, file, chunk)
        except OSError:
            # What does not fit is not worth a day of the space that others lack.
            session.discard()
            raise
        except ClientDisconnect:
            raise Refusal(400, "BLOB_UPLOAD_INVALID", "the connection was lost") from None


def _check_range(request: Request, session: UploadSession) -> None:
    text = request.headers.get("content-range")
    if text is None:
        return
    span = _CONTENT_RANGE.fullmatch(text)
    if span is None:
        raise Refusal(400, "BLOB_UPLOAD_INVALID", "Content-Range is written START-END")
    start, end = int(span[1]), int(span[2])
    if start != session.size:
        raise out_of_order(session, f"the next byte is {session.size}, not {start}")
    length = request.headers.get("content-length")
    if length is not None and int(length) != end - start + 1:
        raise Refusal(400, "SIZE_INVALID", "Content-Range and Content-Length disagree")


async def _finish(storage: Storage, session: UploadSession, digest: Digest) -> Response:
    await asyncio.to_thread(storage.adopt, session, digest)
    return _created(session.repository, digest)


def _created(repository: str, digest: Digest) -> Response:
    headers = {
        "Location": f"/v2/{repository}/blobs/{digest}",
        "Docker-Content-Digest": str(digest),
    }
    return Response(status_code=201, headers=headers)


def _write(file: BinaryIO, chunk: bytes) -> None:
    """An unbuffered file may take less than it is given."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
