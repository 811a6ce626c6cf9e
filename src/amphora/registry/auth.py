"""Answering a registry's challenge: Basic, or the token flow of docker's registries.

https://distribution.github.io/distribution/spec/auth/token/ and …/auth/oauth/
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx2
import msgspec
from msgspec import Struct

from amphora.core.errors import RegistryAuthError
from amphora.registry import failures
from amphora.registry.challenge import Challenge
from amphora.registry.credentials import Credential, find_credential
from amphora.registry.endpoint import Endpoint
from amphora.registry.transport import Call, Transport, read_bounded

Scopes = frozenset[str]

#: A token server's answer is small; more than this is something else.
MAX_TOKEN_ANSWER = 1 << 20
#: What a token lives when the server does not say, in seconds.
DEFAULT_LIFETIME = 60.0


class _Answer(Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    header: str = field(repr=False)
    expires: float


class Authenticator:
    """Authorization headers for one registry, kept per scope until they expire."""

    def __init__(
        self, endpoint: Endpoint, transport: Transport, environment: Mapping[str, str]
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._environment = environment
        self._credential: Credential | None = None
        self._looked = False
        self._basic: str | None = None
        self._passes: dict[Scopes, _Pass] = {}
        self._lock = asyncio.Lock()

    @property
    def identity(self) -> str:
        """Who we are, for an error message."""
        return str(self._credential) if self._credential else "nobody (no login was found)"

    def header(self, scopes: Scopes) -> str | None:
        """What to send with a request for some scopes, if it is known already."""
        known = self._passes.get(scopes)
        if known is not None and time.monotonic() < known.expires:
            return known.header
        return self._basic

    async def renew(
        self, challenges: Sequence[Challenge], scopes: Scopes, used: str | None
    ) -> str | None:
        """A header in place of `used`, which was not accepted; None if we have no answer.

        Raises RegistryAuthError, RegistryError and RegistryUnreachableError when the
        token server refuses, answers nonsense or does not answer.
        """
        async with self._lock:
            current = self.header(scopes)
            if current is not None and current != used:
                return current
            if not self._looked:
                self._credential = await find_credential(self._endpoint.domain, self._environment)
                self._looked = True
            for challenge in challenges:
                if challenge.scheme == "bearer":
                    return await self._fetch_token(challenge, scopes)
                if challenge.scheme == "basic" and self._credential is not None:
                    self._basic = self._credential.basic
                    return self._basic
            return None

    async def _fetch_token(self, challenge: Challenge, scopes: Scopes) -> str:
        call = self._token_call(challenge, scopes)
        async with self._transport.stream(call) as response:
            status = response.status_code
            body = await self._read(response)
        if status != 200:
            raise self._refused(status, body)
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._nonsense("its token server did not answer with JSON") from None
        token = answer.token or answer.access_token
        if not token.isascii() or not token.isprintable() or not token:
            raise self._nonsense("its token server's answer holds no token")
        lifetime = DEFAULT_LIFETIME if answer.expires_in is None else answer.expires_in
        new = _Pass(f"Bearer {token}", time.monotonic() + 0.9 * lifetime)
        self._passes[scopes] = new
        return new.header

    def _token_call(self, challenge: Challenge, scopes: Scopes) -> Call:
        realm = self._realm(challenge)
        service = challenge.parameters.get("service", "")
        asked = challenge.parameters.get("scope", "").split()
        wanted = sorted(scopes.union(asked))
        credential = self._credential
        if credential is not None and credential.is_identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credential.secret,
                "service": service,
                "scope": " ".join(wanted),
                "client_id": "amphora",
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Call("POST", realm, headers, urlencode(form).encode())
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in wanted]
        url = realm.copy_with(params=[*realm.params.multi_items(), *query])
        return Call("GET", url, {"Authorization": credential.basic} if credential else {})

    def _realm(self, challenge: Challenge) -> httpx2.URL:
        """The token server's URL; a registry behind TLS may not send us to one without."""
        try:
            realm = httpx2.URL(challenge.parameters.get("realm", ""))
        except httpx2.InvalidURL:
            raise self._nonsense("its challenge names no valid token server") from None
        allowed = {"https", self._endpoint.scheme}
        if realm.scheme not in allowed or not realm.host:
            raise self._nonsense("its challenge names no token server with a safe connection")
        return realm

    async def _read(self, response: httpx2.Response) -> bytes:
        try:
            return await read_bounded(response, MAX_TOKEN_ANSWER)
        except httpx2.TransportError as error:
            raise failures.unreachable(self._endpoint.domain, error) from error
        except OverflowError:
            raise self._nonsense("its token server's answer is too large") from None

    def _refused(self, status: int, body: bytes) -> Exception:
        """Quotes error codes only: a token server may echo what it was sent."""
        words = failures.registry_words(body)
        said = f"the token server answered {status}" + (f": {words}" if words else "")
        if status not in {400, 401, 403}:
            return self._nonsense(said)
        domain = self._endpoint.domain
        return RegistryAuthError(
            f"{domain} did not accept our login",
            why=f"{said}; we came as {self.identity}",
            next_command=f"`docker login {domain}`",
        )

    def _nonsense(self, why: str) -> Exception:
        return failures.nonsense(self._endpoint.domain, "log in", why)
