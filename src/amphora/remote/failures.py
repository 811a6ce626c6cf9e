"""Why a file or a repository could not be fetched, in words a user can act on."""

import socket
import ssl

import httpx2

from amphora.core.errors import FetchError


def no_answer(shown: str, error: httpx2.TransportError) -> FetchError:
    """No connection, or one that was cut."""
    why, next_command = _reason(error)
    return FetchError(f"cannot fetch {shown}", why=why, next_command=next_command)


def refused(shown: str, status: int, phrase: str) -> FetchError:
    """An answer that is not the file."""
    hints = {
        401: "give a token for its host: --secret id=HTTP_AUTH_TOKEN_HOST,env=TOKEN",
        403: "give a token for its host: --secret id=HTTP_AUTH_TOKEN_HOST,env=TOKEN",
        404: "correct the URL: nothing is there",
    }
    return FetchError(
        f"cannot fetch {shown}",
        why=f"the server answered {status} {phrase}".rstrip(),
        next_command=hints.get(status, "try again later, or take another URL"),
    )


def nonsense(shown: str, why: str) -> FetchError:
    """An answer that breaks the rules."""
    return FetchError(
        f"cannot fetch {shown}", why=why, next_command="take the URL that it should lead to"
    )


def _reason(error: httpx2.TransportError) -> tuple[str, str]:
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return "the name of its host is not known", "check the name, the network and the proxy"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not to be trusted ({cause.verify_message})",
                "for an authority of your own, set SSL_CERT_FILE to its certificate",
            )
    if isinstance(error, httpx2.TimeoutException):
        return "it took too long to answer", "check the network and the proxy, and try again"
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return f"the connection failed ({said})", "check the network and the proxy, and try again"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in found:
        found.append(at)
        at = at.__cause__ or at.__context__
    return found
