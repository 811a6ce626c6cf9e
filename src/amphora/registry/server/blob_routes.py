"""Blobs: read them whole or in part, and remove them.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-blobs
"""

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from amphora.registry.server.names import digest_of, repository_of
from amphora.registry.server.refusals import Refusal
from amphora.registry.server.storage import Storage


async def read_blob(request: Request) -> Response:
    """GET and HEAD, with Range; the bytes are streamed from the file."""
    storage: Storage = request.app.state.storage
    repository, digest = repository_of(request), digest_of(request.path_params["digest"])
    if not await asyncio.to_thread(storage.has_blob, repository, digest):
        raise _unknown(str(digest))
    headers = {"Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}
    return FileResponse(
        storage.blobs.path(digest), headers=headers, media_type="application/octet-stream"
    )


async def remove_blob(request: Request) -> Response:
    """DELETE."""
    storage: Storage = request.app.state.storage
    repository, digest = repository_of(request), digest_of(request.path_params["digest"])
    if not await asyncio.to_thread(storage.remove_blob, repository, digest):
        raise _unknown(str(digest))
    return Response(status_code=202)


def _unknown(digest: str) -> Refusal:
    return Refusal(404, "BLOB_UNKNOWN", f"this repository does not have {digest}")
