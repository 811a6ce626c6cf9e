"""Why a cache of others cannot be read or written, in words a user can act on.

No query of a URL, which may be a signature, enters a message, and no header.
"""

import re

import httpx2
import msgspec
from msgspec import Struct

from amphora.core.errors import CacheError

_LENGTH = 200
_ACTIONS = "the cache service of GitHub Actions"
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,1000})</Message>")
_QUERY = re.compile(r"\?\S*")

#: Where machines in a cloud are asked who they are, when nobody else says it.
_IDENTITIES = ("169.254.169.254", "metadata.google.internal")
#: What obstore's account of a failed connection has in it, and what that means.
_CONNECTIONS = (
    ("dns error", "the name of its host is not known"),
    ("Connection refused", "nobody listens there"),
    ("ertificate", "its certificate is not to be trusted"),
    ("TimedOut", "it took too long to answer"),
    ("BadScheme", "its URL has no TLS"),
)
_MISSING = frozenset({"NoSuchBucket", "ContainerNotFound"})
_UNKNOWN = frozenset({"401", "403"})
_KEYS = "check the keys, in the option or in the environment, and what they allow"


class _Refusal(Struct, frozen=True):
    """https://twitchtv.github.io/twirp/docs/errors.html"""

    code: str = ""
    msg: str = ""


def bucket_failed(bucket: str, action: str, said: str) -> CacheError:
    """`said` is what obstore says: a sentence, the answer, and its own data in many lines."""
    status, code, message = (_first(pattern, said) for pattern in (_STATUS, _CODE, _MESSAGE))
    connection = next((meaning for word, meaning in _CONNECTIONS if word in said), "")
    if any(address in said for address in _IDENTITIES):
        why, advice = "no keys were given, and this machine has no identity of its own", _KEYS
    elif status:
        told = message or code
        why = f"it answered {status}" + (f": {told}" if told else "")
        advice = _advice(status, code)
    elif connection:
        why, advice = connection, "check the endpoint, the network and the proxy"
    else:
        why, advice = said.partition("\n")[0], "check the options of the cache"
    return CacheError(
        f"the {bucket} did not let us {action}", why=_printable(why), next_command=advice
    )


def _advice(status: str, code: str) -> str:
    if code in _MISSING:
        return "create it, or correct its name"
    return _KEYS if status in _UNKNOWN else "try again later"


def not_in_a_job() -> CacheError:
    """A job's own commands do not get the token; actions do."""
    return CacheError(
        f"{_ACTIONS} is not known here",
        why="ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN are not both in the environment",
        next_command="hand them to the step (as crazy-max/ghaction-github-runtime does), or give"
        " url_v2 and token",
    )


def no_answer(error: httpx2.TransportError) -> CacheError:
    if isinstance(error, httpx2.TimeoutException):
        why = "it took too long to answer"
    else:
        why = f"the connection failed ({_printable(str(error)) or type(error).__name__})"
    return CacheError(
        f"no answer from {_ACTIONS}",
        why=why,
        next_command="check url_v2, the network and the proxy",
    )


def refused(status: int, body: bytes) -> CacheError:
    """An answer that is not what was asked for."""
    hints = {
        401: "check the token: it is good for as long as the job runs",
        403: "check what the token allows: jobs of forks may only read",
        404: "check url_v2: what is there does not speak version 2 of the service",
        413: "leave mode=max out: a layer is too large to be kept",
        429: "try again later, or cache less with mode=min",
    }
    return CacheError(
        f"{_ACTIONS} refused",
        why=f"it answered {status}{_words(body)}",
        next_command=hints.get(status, "try again later"),
    )


def not_kept(message: str) -> CacheError:
    return CacheError(
        f"{_ACTIONS} did not keep an entry",
        why=_printable(message) or "it does not say why",
        next_command="check what the token allows, and the limits of the repository's cache",
    )


def nonsense(why: str) -> CacheError:
    return CacheError(
        f"{_ACTIONS} answered nonsense",
        why=_printable(why),
        next_command="check url_v2: what is there does not speak version 2 of the service",
    )


def too_slow(seconds: float) -> CacheError:
    return CacheError(
        f"{_ACTIONS} is too slow",
        why=f"an entry took longer than {seconds:g} seconds",
        next_command="raise timeout, as in type=gha,timeout=30m",
    )


def _words(body: bytes) -> str:
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Who keeps the bytes answers in XML.
        text = body.decode("utf-8", errors="replace")
        words = _first(_MESSAGE, text) or _first(_CODE, text)
    else:
        words = f"{refusal.code} {refusal.msg}"
    return f": {_printable(words)}" if words.strip() else ""


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _printable(text: str) -> str:
    """One bounded line, without control characters and queries."""
    words = " ".join(_QUERY.sub("", text).split())
    return "".join(letter if letter.isprintable() else "?" for letter in words)[:_LENGTH]
