"""semvercmp(): is a version within a constraint?

https://github.com/Masterminds/semver#checking-version-constraints
"""

import re

from msgspec import Struct

from amphora.bake.hcl.functions.function import TEXT, Function, Functions
from amphora.bake.hcl.values import Value

_VERSION = re.compile(
    r"v?(?P<major>\d+|[xX*])(?:\.(?P<minor>\d+|[xX*]))?(?:\.(?P<patch>\d+|[xX*]))?"
    r"(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_ONE = re.compile(rf"(?P<operator>[<>]=?|=[<>]?|!=|~>?|\^)?\s*(?P<version>{_VERSION.pattern})")
_HYPHEN = re.compile(rf"(?P<low>{_VERSION.pattern})\s+-\s+")
_Numbers = tuple[int, int, int]


class _Version(Struct, frozen=True):
    """`given` is how many of its three numbers are written out."""

    numbers: _Numbers
    pre: str
    given: int

    @property
    def order(self) -> tuple[object, ...]:
        """Before a release come its pre-releases; their numbers before their words."""
        parts = [
            (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in self.pre.split(".")
        ]
        return (self.numbers, not self.pre, parts if self.pre else [])

    def next(self, place: int) -> _Numbers:
        """The first version whose number at a place is higher."""
        kept = [*self.numbers[:place], self.numbers[place] + 1, 0, 0][:3]
        return (kept[0], kept[1], kept[2])


def _version(text: str) -> _Version:
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no version")
    written = [match["major"], match["minor"], match["patch"]]
    given = next((at for at, each in enumerate(written) if not (each or "").isdecimal()), 3)
    numbers = [int(each) if at < given else 0 for at, each in enumerate(written)]
    return _Version((numbers[0], numbers[1], numbers[2]), match["pre"] or "", given)


def _within(version: _Version, operator: str, bound: _Version) -> bool:
    if version.pre and not bound.pre:
        return False  # A pre-release is only meant where one is named.
    reached = version.order >= bound.order
    end = _end(operator, bound)
    passed = version.order > bound.order if end is None else version.numbers >= end
    return {
        ">": passed,
        ">=": reached,
        "=>": reached,
        "<": not reached,
        "<=": not passed,
        "=<": not passed,
        "!=": passed or not reached,
    }.get(operator, reached and not passed)


def _end(operator: str, bound: _Version) -> _Numbers | None:
    """Where what a bound means has ended, if that is more than one version."""
    if operator == "^":
        place = next((at for at, value in enumerate(bound.numbers) if value), bound.given - 1)
        return bound.next(max(0, min(place, bound.given - 1)))
    if operator in {"~", "~>"} and bound.given:
        return bound.next(min(bound.given - 1, 1))
    if bound.given == 0:
        return (1 << 62, 0, 0)
    return bound.next(bound.given - 1) if bound.given < 3 else None


def _compare(version: str, constraint: str) -> Value:
    given = _version(version)
    if given.given == 0:
        raise ValueError(f"{version[:40]!r} is no version")
    held = [_all_hold(given, part) for part in constraint.split("||")]
    return any(held)


def _all_hold(version: _Version, constraint: str) -> bool:
    """Constraints of which all must hold stand beside each other, or have commas between."""
    text = _HYPHEN.sub(r">=\g<low> <=", constraint)
    found = [
        (match["operator"] or "=", _version(match["version"])) for match in _ONE.finditer(text)
    ]
    if not found or _ONE.sub("", text).strip(" ,"):
        raise ValueError(f"{constraint[:40]!r} is no constraint such as >= 1.2, < 2")
    return all(_within(version, operator, bound) for operator, bound in found)


VERSIONS: Functions = {"semvercmp": Function(_compare, (TEXT, TEXT))}
