"""--chmod: the mode of everything that is copied, in octal or as chmod(1) writes it.

https://docs.docker.com/reference/dockerfile/#copy---chmod and, for the grammar,
https://pubs.opengroup.org/onlinepubs/9799919799/utilities/chmod.html#tag_20_17_13
"""

import re
from collections.abc import Callable

from msgspec import Struct

_CLAUSE = re.compile(r"(?P<who>[ugoa]*)(?P<actions>(?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXst]+|[ugo]|)")

#: What each class may have: its three bits, and its own of the three special ones.
_CLASSES = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}

#: A clause that names nobody means everybody, but gives nothing that this takes away.
_UMASK = 0o022


class SymbolicMode(Struct, frozen=True):
    """`u=rwX,go=rX`: depends on the mode a file has, and on whether it is a directory."""

    text: str

    def applied_to(self, mode: int, *, is_directory: bool) -> int:
        """The new permission bits of a file that has these."""
        for clause in self.text.split(","):
            match = _CLAUSE.fullmatch(clause)
            if match is not None:
                mode = _apply(match["who"], match["actions"], mode, is_directory)
        return mode


def parse_mode(text: str) -> int | SymbolicMode:
    """Read the value of --chmod; raises ValueError saying what is wrong with it."""
    if re.fullmatch(r"[0-9]+", text):
        if re.fullmatch(r"0*[0-7]{1,4}", text):
            return int(text, 8)
        raise ValueError(f"{text[:40]!r} is not an octal mode between 0 and 7777")
    for clause in text.split(","):
        if not _CLAUSE.fullmatch(clause):
            raise ValueError(f"{clause[:40]!r} is neither an octal mode nor one like u=rwX")
    return SymbolicMode(text)


def _apply(who: str, actions: str, mode: int, is_directory: bool) -> int:
    classes = "ugo" if not who or "a" in who else who
    reach = 0
    for name in classes:
        reach |= _CLASSES[name]
    allowed = reach if who else reach & ~_UMASK
    for operator, what in _ACTION.findall(actions):
        bits = _bits(what, mode, is_directory) & allowed
        change = _OPERATORS[operator]
        mode = change(mode, bits, reach)
    return mode


def _bits(what: str, mode: int, is_directory: bool) -> int:
    """The bits that the letters stand for, for everybody."""
    if what in _SHIFTS:
        return (mode >> _SHIFTS[what] & 0o7) * 0o111
    bits = 0
    for letter in what:
        if letter != "X":
            bits |= _BITS[letter]
        elif is_directory or mode & 0o111:
            bits |= _BITS["x"]
    return bits


_OPERATORS: dict[str, Callable[[int, int, int], int]] = {
    "+": lambda mode, bits, _reach: mode | bits,
    "-": lambda mode, bits, _reach: mode & ~bits,
    "=": lambda mode, bits, reach: mode & ~reach | bits,
}
