"""Whom a server may take us for: the secrets of a build that are meant for what it fetches.

https://docs.docker.com/build/building/secrets/#git-authentication-for-remote-contexts
https://docs.docker.com/reference/dockerfile/#adding-files-from-a-url
"""

import base64
import re
from collections.abc import Mapping

from amphora.core.errors import InvalidValueError
from amphora.remote.location import host_of

_GIT_TOKEN, _GIT_HEADER = "GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"
_HTTP_TOKEN, _HTTP_HEADER = "HTTP_AUTH_TOKEN", "HTTP_AUTH_HEADER"

_PORT = re.compile(r":\d*$")

#: Who a token belongs to, where a server asks for a name and a password.
_TOKEN_USER = b"x-access-token:"


class Authorizations:
    """Authorization headers by server; `secrets` are a build's, by ID.

    `GIT_AUTH_TOKEN[.HOST]` is a password for Git, `HTTP_AUTH_TOKEN_HOST` a bearer's token;
    `GIT_AUTH_HEADER[.HOST]` and `HTTP_AUTH_HEADER_HOST` are whole headers, and go first. HOST
    has the port for Git only, as with BuildKit.
    """

    def __init__(self, secrets: Mapping[str, bytes] | None = None) -> None:
        self._secrets = secrets or {}

    def of_file(self, url: str) -> str | None:
        """The header for a file; None if there is none. Raises InvalidValueError."""
        host = _PORT.sub("", host_of(url))
        header = self._text(f"{_HTTP_HEADER}_{host}")
        token = self._text(f"{_HTTP_TOKEN}_{host}")
        return header or (f"Bearer {token}" if token else None)

    def of_repository(self, url: str) -> str | None:
        """The header for a repository, one that is for its host rather than one for all.

        Raises InvalidValueError.
        """
        host = host_of(url)
        for suffix in (f".{host}", ""):
            header = self._text(_GIT_HEADER + suffix)
            token = self._text(_GIT_TOKEN + suffix)
            if header or token:
                return header or f"basic {_encoded(token)}"
        return None

    def _text(self, name: str) -> str:
        content = self._secrets.get(name, b"").strip()
        if not all(0x20 <= byte < 0x7F for byte in content):
            raise InvalidValueError(
                f"the secret {name[:200]!r} cannot be sent to a server",
                why="in a header stand printable ASCII characters, on one line",
                next_command="give the token alone, without anything around it",
            )
        return content.decode("ascii")


def _encoded(token: str) -> str:
    return base64.b64encode(_TOKEN_USER + token.encode()).decode()
