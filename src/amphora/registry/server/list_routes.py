"""Lists: the tags of a repository, the repositories of the registry, page by page.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-tags
"""

import asyncio
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from amphora.registry.server.names import repository_of
from amphora.registry.server.refusals import Refusal
from amphora.registry.server.storage import Storage

#: Names on a page, unless fewer are asked for.
PAGE = 1000


async def check_version(_request: Request) -> Response:
    """GET /v2/: yes, this is a registry."""
    return JSONResponse({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})


async def list_tags(request: Request) -> Response:
    """GET tags/list with n and last."""
    storage: Storage = request.app.state.storage
    repository, size, last = repository_of(request), _page_size(request), _last(request)

    def find() -> list[str] | None:
        with storage.catalog.reading() as transaction:
            if not transaction.has_repository(repository):
                return None
            return transaction.tags(repository, last, size + 1)

    names = await asyncio.to_thread(find)
    if names is None:
        raise Refusal(404, "NAME_UNKNOWN", f"there is no repository {repository}")
    headers = _link(request.url.path, names, size)
    return JSONResponse({"name": repository, "tags": names[:size]}, headers=headers)


async def list_repositories(request: Request) -> Response:
    """GET _catalog with n and last."""
    storage: Storage = request.app.state.storage
    size, last = _page_size(request), _last(request)

    def find() -> list[str]:
        with storage.catalog.reading() as transaction:
            return transaction.repositories(last, size + 1)

    names = await asyncio.to_thread(find)
    headers = _link(request.url.path, names, size)
    return JSONResponse({"repositories": names[:size]}, headers=headers)


def _page_size(request: Request) -> int:
    text = request.query_params.get("n", str(PAGE))
    if not (text.isascii() and text.isdigit()):
        raise Refusal(400, "PAGINATION_NUMBER_INVALID", f"n cannot be {text[:20]!r}")
    return min(int(text[:9]), PAGE)


def _last(request: Request) -> str:
    return request.query_params.get("last", "")


def _link(path: str, names: list[str], size: int) -> dict[str, str]:
    """Where the next page is, if one name more was found than fits on this one."""
    if size == 0 or len(names) <= size:
        return {}
    query = urlencode({"n": size, "last": names[size - 1]})
    return {"Link": f'<{path}?{query}>; rel="next"'}
