"""The embedded registry as an ASGI application: its routes and its storage.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#endpoints
"""

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from amphora.core.errors import AmphoraError
from amphora.registry.server import (
    blob_routes,
    list_routes,
    manifest_routes,
    refusals,
    upload_routes,
)
from amphora.registry.server.guard import Guard
from amphora.registry.server.storage import Storage

# A repository's name has slashes of its own, and the path after it is what tells the
# endpoints apart; so uploads come before blobs.
_ROUTES = (
    Route("/v2/", list_routes.check_version),
    Route("/v2/_catalog", list_routes.list_repositories),
    Route("/v2/{name:path}/tags/list", list_routes.list_tags),
    Route("/v2/{name:path}/referrers/{digest}", manifest_routes.list_referrers),
    Route("/v2/{name:path}/blobs/uploads/", upload_routes.start_upload, methods=["POST"]),
    *(
        Route("/v2/{name:path}/blobs/uploads/{session}", endpoint, methods=[method])
        for method, endpoint in {
            "GET": upload_routes.upload_status,
            "PATCH": upload_routes.append_chunk,
            "PUT": upload_routes.finish_upload,
            "DELETE": upload_routes.cancel_upload,
        }.items()
    ),
    Route("/v2/{name:path}/blobs/{digest}", blob_routes.read_blob),
    Route("/v2/{name:path}/blobs/{digest}", blob_routes.remove_blob, methods=["DELETE"]),
    Route("/v2/{name:path}/manifests/{reference}", manifest_routes.read_manifest),
    *(
        Route("/v2/{name:path}/manifests/{reference}", endpoint, methods=[method])
        for method, endpoint in {
            "PUT": manifest_routes.put_manifest,
            "DELETE": manifest_routes.remove_manifest,
        }.items()
    ),
)


def create_app(storage_root: Path, *, users: Mapping[str, str] | None = None) -> Starlette:
    """A registry that keeps everything below `storage_root`; with `users`, for those only.

    Cleans up what a crash or an abandoned upload left there. Raises StoreError and
    DiskFullError if the directory cannot be used.
    """
    app = Starlette(
        routes=_ROUTES,
        middleware=[Middleware(Guard, users=users)] if users else [],
        exception_handlers={
            refusals.Refusal: refusals.on_refusal,
            HTTPException: refusals.on_http_exception,
            AmphoraError: refusals.on_amphora_error,
        },
    )
    app.state.storage = Storage(storage_root)
    return app
