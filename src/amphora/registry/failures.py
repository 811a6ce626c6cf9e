"""Foreign failures made ours, once: what went wrong with a registry, why, and what to do.

Neither a query string (it may carry a signature) nor a header ever enters a message.
"""

import ssl

import httpx2
import msgspec
from msgspec import Struct

from amphora.core.errors import (
    AmphoraError,
    NotFoundError,
    RegistryAuthError,
    RegistryError,
    RegistryUnreachableError,
)

#: How much of an answer's body an error may quote, in characters.
EXCERPT_LENGTH = 200


class _Error(Struct, frozen=True):
    code: str = "UNKNOWN"
    message: str = ""


class _Errors(Struct, frozen=True):
    errors: list[_Error]


class Refusal(Struct, frozen=True):
    """An answer that is not what was asked for.

    `identity` says, for people, who we were: a user and the file that names them.
    """

    action: str
    domain: str
    status: int
    body: bytes
    identity: str

    def error(self) -> AmphoraError:
        """The error to raise for it: by status, with the registry's own words."""
        if self.status in {401, 403}:
            return RegistryAuthError(
                f"{self.domain} did not let us {self.action}",
                why=f"{self._said()}; we came as {self.identity}",
                next_command=f"check that the repository exists, then `docker login {self.domain}`",
            )
        if self.status == 404:
            return NotFoundError(
                f"{self.domain} has nothing there to {self.action}",
                why=self._said(),
                next_command="check the name and the tag",
            )
        return nonsense(self.domain, self.action, self._said())

    def _said(self) -> str:
        words = registry_words(self.body) or excerpt(self.body)
        return f"it answered {self.status}" + (f": {words}" if words else "")


def nonsense(domain: str, action: str, why: str) -> RegistryError:
    """The registry answered, but not as the distribution specification says."""
    return RegistryError(
        f"{domain} failed when asked to {action}",
        why=why,
        next_command="check that this host is a container registry, and try again later",
    )


def unreachable(domain: str, error: httpx2.TransportError) -> RegistryUnreachableError:
    """No answer, or half of one."""
    return RegistryUnreachableError(
        f"no answer from {domain}",
        why=_transport_reason(error),
        next_command=f"check the name and the network: `curl -I https://{domain}/v2/`; for a "
        f"registry without TLS set AMPHORA_INSECURE_REGISTRIES={domain}",
    )


def is_certificate_problem(error: BaseException | None) -> bool:
    """Did a connection fail on the server's certificate? Trying again will not help then."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def registry_words(body: bytes) -> str:
    """The codes and messages of an error body, or nothing if it is not one.

    https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes
    """
    try:
        errors = msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return printable("; ".join(f"{error.code} {error.message}".strip() for error in errors))


def excerpt(body: bytes) -> str:
    """The beginning of a body, safe to print on a terminal."""
    return printable(body[: 4 * EXCERPT_LENGTH].decode("utf-8", errors="replace"))


def printable(text: str) -> str:
    """One bounded line without control characters."""
    words = " ".join(text.split())
    safe = "".join(character if character.isprintable() else "?" for character in words)
    return safe if len(safe) <= EXCERPT_LENGTH else f"{safe[:EXCERPT_LENGTH]}…"


def _transport_reason(error: httpx2.TransportError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "it took too long to answer"
    words = printable(str(error)) or type(error).__name__
    return f"the connection failed ({words})"
