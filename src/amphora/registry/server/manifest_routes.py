"""Manifests by tag or digest: push, pull, remove, and who refers to one.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#endpoints
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from amphora.core.descriptor import OCI_INDEX, Descriptor
from amphora.core.digest import Digest
from amphora.oci.model import Index
from amphora.registry.server import documents
from amphora.registry.server.names import digest_of, repository_of, target_of
from amphora.registry.server.refusals import Refusal
from amphora.registry.server.storage import Storage

#: What every registry must accept, and more than any honest image needs.
MAX_SIZE = 4 << 20


async def read_manifest(request: Request) -> Response:
    """GET and HEAD: the bytes as they were pushed."""
    storage: Storage = request.app.state.storage
    repository, target = repository_of(request), target_of(request)
    manifest = await asyncio.to_thread(storage.manifest, repository, target)
    if manifest is None:
        raise _unknown(repository, target)
    content = await asyncio.to_thread(storage.blobs.read, manifest.digest)
    headers = {"Docker-Content-Digest": str(manifest.digest), "ETag": f'"{manifest.digest}"'}
    # Starlette adds a charset to text types only; manifests are none.
    return Response(content, headers=headers, media_type=manifest.media_type)


async def put_manifest(request: Request) -> Response:
    """PUT: everything it names must be in the repository, except its subject."""
    storage: Storage = request.app.state.storage
    repository, target = repository_of(request), target_of(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    content = await _read(request)
    digest, tag = (target, None) if isinstance(target, Digest) else (None, target)
    document = documents.inspect(content, media_type, digest)
    await asyncio.to_thread(storage.put_manifest, repository, content, document, tag)
    headers = {
        "Location": f"/v2/{repository}/manifests/{document.digest}",
        "Docker-Content-Digest": str(document.digest),
    }
    if document.subject is not None:
        headers["OCI-Subject"] = str(document.subject)
    return Response(status_code=201, headers=headers)


async def remove_manifest(request: Request) -> Response:
    """DELETE: a tag alone, or by digest a manifest and its tags."""
    storage: Storage = request.app.state.storage
    repository, target = repository_of(request), target_of(request)
    if not await asyncio.to_thread(storage.remove_manifest, repository, target):
        raise _unknown(repository, target)
    return Response(status_code=202)


async def list_referrers(request: Request) -> Response:
    """GET: an index of the manifests whose subject is the given digest; may be empty."""
    storage: Storage = request.app.state.storage
    subject = digest_of(request.path_params["digest"])
    wanted = request.query_params.get("artifactType")
    found = await asyncio.to_thread(_referrers, storage, repository_of(request), subject)
    chosen = tuple(item for item in found if wanted in {None, item.artifact_type})
    headers = {} if wanted is None else {"OCI-Filters-Applied": "artifactType"}
    return Response(Index(chosen).encode(), headers=headers, media_type=OCI_INDEX)


def _referrers(storage: Storage, repository: str, subject: Digest) -> list[Descriptor]:
    with storage.catalog.reading() as transaction:
        return [
            documents.describe(storage.blobs.read(item.digest), item.media_type, item.digest)
            for item in transaction.referrers(repository, subject)
        ]


async def _read(request: Request) -> bytes:
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_SIZE:
                raise Refusal(413, "SIZE_INVALID", f"manifests have at most {MAX_SIZE} bytes")
    except ClientDisconnect:
        raise Refusal(400, "MANIFEST_INVALID", "the connection was lost") from None
    return bytes(content)


def _unknown(repository: str, target: Digest | str) -> Refusal:
    return Refusal(404, "MANIFEST_UNKNOWN", f"{repository} has no manifest {target}")
