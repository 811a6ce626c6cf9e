"""BUILDKIT_COLORS: what the marks of the live picture look like.

https://docs.docker.com/build/building/variables/#buildkit_colors
"""

import csv
import re

from msgspec import Struct

_NAMES = frozenset({"black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"})
_PARTS = re.compile(r"[0-9]{1,3},[0-9]{1,3},[0-9]{1,3}")


class Colours(Struct, frozen=True):
    """Those of steps that ended well, of warnings and of steps that failed; rich's names."""

    run: str = "green"
    warning: str = "yellow"
    error: str = "red"


def read_colours(text: str) -> Colours:
    """`run=green:error=255,0,0:…`; what is no colour, or of no mark of ours, changes nothing."""
    found = {}
    for field in next(csv.reader([text], delimiter=":"), []):
        name, _, value = field.partition("=")
        colour = _colour(value.strip().lower())
        if name in Colours.__struct_fields__ and colour:
            found[name] = colour
    return Colours(**found)


def _colour(text: str) -> str:
    if text in _NAMES:
        return text
    parts = _PARTS.fullmatch(text)
    return f"rgb({text})" if parts and max(map(int, text.split(","))) < 256 else ""
