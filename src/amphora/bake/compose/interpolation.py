"""`${NAME:-default}` in compose files, and the `.env` beside them.

https://docs.docker.com/reference/compose-file/interpolation/
"""

import re
from collections.abc import Callable, Mapping

from amphora.bake.hcl.source import DEEPEST

Lookup = Callable[[str], str | None]

_NAME = r"[_a-zA-Z][_a-zA-Z0-9]*"
_START = re.compile(rf"\$(?:(?P<dollar>\$)|(?P<bare>{_NAME})|\{{(?P<braced>{_NAME}))")
_OPERATOR = re.compile(r":?[-+?]")
_LINE = re.compile(
    rf"""^\s*(?:export\s+)?(?P<name>{_NAME})\s*(?:[=:]\s*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>.*?))\s*)?(?:\s\#.*)?$""",
    re.VERBOSE | re.MULTILINE,
)
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", '\\"': '"', "\\\\": "\\", "\\$": "$$"}


def interpolate(text: str, lookup: Lookup, depth: int = 0) -> str:
    """The text with its variables' values; raises ValueError for what is malformed or required."""
    if depth > DEEPEST:
        raise ValueError("the defaults are nested too deeply")
    found, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        found.append(text[at:dollar])
        value, at = _variable(text, dollar, lookup, depth)
        found.append(value)
    return "".join(found) + text[at:]


def _variable(text: str, start: int, lookup: Lookup, depth: int) -> tuple[str, int]:
    """What stands for `$…` at a place, and where it ends."""
    match = _START.match(text, start)
    if match is None:
        raise ValueError(f"{text[start : start + 20]!r} names no variable; $$ is a dollar")
    if match["dollar"]:
        return "$", match.end()
    if match["bare"]:
        return lookup(match["bare"]) or "", match.end()
    end = _closing(text, match.end())
    operator = _OPERATOR.match(text, match.end(), end)
    value = lookup(match["braced"])
    if operator is None:
        if match.end() != end:
            raise ValueError(f"{text[start : end + 1][:40]!r} is malformed")
        return value or "", end + 1
    # With a colon, an empty value is as none.
    there = bool(value) if operator[0][0] == ":" else value is not None
    if there == (operator[0][-1] == "+"):
        rest = interpolate(text[operator.end() : end], lookup, depth + 1)
        if operator[0][-1] == "?":
            raise ValueError(f"{match['braced']} must be set: {rest}")
        return rest, end + 1
    return (value or "" if there else ""), end + 1


def _closing(text: str, start: int) -> int:
    """The brace that closes the one before `start`."""
    open_braces = 1
    for at in range(start, len(text)):
        open_braces += text.startswith("${", at)
        open_braces -= text[at] == "}"
        if not open_braces:
            return at
    raise ValueError(f"{text[max(0, start - 20) :][:40]!r} lacks a closing brace")


def read_environment(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a `.env` file; what the environment has counts more. Raises ValueError.

    https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/
    """
    found: dict[str, str] = {}

    def lookup(name: str) -> str | None:
        return environment[name] if name in environment else found.get(name)

    for match in _LINE.finditer(text):
        if match["single"] is not None:
            found[match["name"]] = match["single"]
        elif match["double"] is not None:
            plain = re.sub(
                r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), match["double"]
            )
            found[match["name"]] = interpolate(plain, lookup)
        elif match["plain"] is not None:
            found[match["name"]] = interpolate(match["plain"], lookup)
    return {**found, **environment}
