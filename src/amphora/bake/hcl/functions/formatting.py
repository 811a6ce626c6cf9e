"""format(): verbs as in C's printf.

https://pkg.go.dev/github.com/zclconf/go-cty/cty/function/stdlib#Format
"""

import json
import re
from collections.abc import Sequence
from decimal import Decimal

from amphora.bake.hcl.values import Value, bounded, encode, to_bool, to_integer, to_number, to_text

_VERB = re.compile(
    r"%(?P<flags>[-+ #0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?"
    r"(?:\[(?P<index>\d+)\])?(?P<verb>.?)",
    re.DOTALL,
)
_BASES = {"b": "b", "d": "d", "o": "o", "x": "x", "X": "X"}
_WIDEST = 10_000


def format_text(form: str, *arguments: Value) -> str:
    """The form with its verbs filled in; raises ValueError."""
    following = 0
    used: set[int] = set()

    def fill(match: re.Match[str]) -> str:
        nonlocal following
        if match["verb"] == "%":
            return "%"
        index = int(match["index"]) - 1 if match["index"] else following
        if not 0 <= index < len(arguments):
            raise ValueError(f"{match[0]!r} has no argument")
        following = index + 1
        used.add(index)
        return _fill(match, arguments[index])

    text = _VERB.sub(fill, form)
    if len(used) < len(arguments):
        raise ValueError(f"{len(arguments)} arguments are given, and {len(used)} are used")
    return bounded(text)


def _fill(match: re.Match[str], value: Value) -> str:
    flags, verb = match["flags"], match["verb"]
    width = int((match["width"] or "0")[:6])
    precision = int((match["precision"] or "0")[:6]) if match["precision"] is not None else None
    if max(width, precision or 0) > _WIDEST:
        raise ValueError(f"{match[0]!r} is wider than {_WIDEST}")
    text = _converted(verb, flags, precision, value, match[0])
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb not in {"s", "q", "v", "t"}:
        return text.zfill(width)
    return text.rjust(width)


def _converted(verb: str, flags: str, precision: int | None, value: Value, whole: str) -> str:
    match verb:
        case "v":
            plain = "#" not in flags and isinstance(value, str | bool | Decimal)
            return to_text(value) if plain else encode(value)
        case "t":
            return "true" if to_bool(value) else "false"
        case "s" | "q":
            text = to_text(value)[:precision]
            return json.dumps(text, ensure_ascii=False) if verb == "q" else text
        case "b" | "d" | "o" | "x" | "X":
            return _signed(flags, format(to_integer(value), _BASES[verb]))
        case "e" | "E" | "f" | "g" | "G":
            return _signed(flags, _real(verb, precision, to_number(value)))
    raise ValueError(f"{whole!r} is no verb")


def _real(verb: str, precision: int | None, value: Decimal) -> str:
    if precision is None and verb in {"g", "G"}:
        return format(value, verb)
    text = format(float(value) if verb in {"e", "E"} else value, f".{precision or 6}{verb}")
    return text if precision != 0 else format(value, f".0{verb}")


def _signed(flags: str, text: str) -> str:
    """With + or a space before what is not negative, if that is asked for."""
    signs: Sequence[str] = [sign for sign in "+ " if sign in flags]
    return text if text.startswith("-") or not signs else f"{signs[0]}{text}"
