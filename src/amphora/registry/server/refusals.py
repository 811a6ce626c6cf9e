"""How the registry says no: a status, a code of the specification, and JSON.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes
"""

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from amphora.core.errors import AmphoraError, DiskFullError


class Refusal(Exception):  # noqa: N818  an answer, not a fault
    """Ends a request with an error answer."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def refusal_response(status: int, code: str, message: str) -> Response:
    """An error answer in the specification's form."""
    body = msgspec.json.encode({"errors": [{"code": code, "message": message}]})
    return Response(body, status, media_type="application/json")


async def on_refusal(_request: Request, error: Exception) -> Response:
    """Exception handler for Refusal."""
    assert isinstance(error, Refusal)  # noqa: S101  registered for nothing else
    response = refusal_response(error.status, error.code, error.message)
    response.headers.update(error.headers or {})
    return response


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Exception handler for what the router refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101  registered for nothing else
    response = refusal_response(error.status_code, "UNSUPPORTED", error.detail)
    response.headers.update(error.headers or {})
    return response


async def on_amphora_error(_request: Request, error: Exception) -> Response:
    """Exception handler for what goes wrong below: a full disk has a status of its own."""
    assert isinstance(error, AmphoraError)  # noqa: S101  registered for nothing else
    status = 507 if isinstance(error, DiskFullError) else 500
    return refusal_response(status, "UNKNOWN", str(error))
