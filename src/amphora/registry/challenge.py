"""WWW-Authenticate: what a registry wants to see before it answers.

https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
"""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105
_PIECE = re.compile(
    rf"""\s*(?:,\s*)?(?:
        (?P<key>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))
      | (?P<scheme>{_TOKEN})
    )""",
    re.VERBOSE,
)


class Challenge(Struct, frozen=True):
    """One scheme, lower case, with its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge in some WWW-Authenticate headers; what cannot be read is left out."""
    return tuple(challenge for header in headers for challenge in _parse(header))


def _parse(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while piece := _PIECE.match(header, position):
        position = piece.end()
        if piece["scheme"]:
            found.append((piece["scheme"].lower(), {}))
        elif found:
            value = piece["plain"] or re.sub(r"\\(.)", r"\1", piece["quoted"] or "")
            found[-1][1][piece["key"].lower()] = value
    return [Challenge(scheme, parameters) for scheme, parameters in found]
