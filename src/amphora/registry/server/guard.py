"""The door of a registry that asks for a password: Basic authentication.

https://www.rfc-editor.org/rfc/rfc7617
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from amphora.registry.server.refusals import refusal_response


class Guard:
    """ASGI middleware that lets in only who knows a user's password."""

    def __init__(self, app: ASGIApp, users: Mapping[str, str]) -> None:
        self._app = app
        self._users = users
        # What an unknown user is compared with, so that the time taken tells nothing.
        self._nobody = secrets.token_hex()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._knows(Headers(scope=scope)):
            response = refusal_response(401, "UNAUTHORIZED", "user and password are needed")
            response.headers["WWW-Authenticate"] = 'Basic realm="amphora", charset="UTF-8"'
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _knows(self, headers: Headers) -> bool:
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        try:
            pair = base64.b64decode(encoded.strip(), validate=True)
            user, colon, password = pair.decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        known = self._users.get(user, self._nobody)
        same = hmac.compare_digest(known.encode(), password.encode())
        return same and scheme.lower() == "basic" and bool(colon) and user in self._users
