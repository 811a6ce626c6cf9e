"""Paths and patterns as Go's path/filepath has them on Linux: Clean and Match.

Dockerfiles and .dockerignore are defined in terms of these two functions:
https://pkg.go.dev/path/filepath#Match and https://pkg.go.dev/path/filepath#Clean
"""

from functools import lru_cache

from amphora.build.glob import Glob, Many, One, Token
from amphora.core.errors import InvalidValueError

_SLASH = (("/", "/"),)
NOT_SLASH = One(_SLASH, negated=True)


def clean(path: str) -> str:
    """The shortest path that means the same, without looking at any file."""
    rooted = path.startswith("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in {"", "."} and not (part == ".." and rooted):
            parts.append(part)
    return "/" + "/".join(parts) if rooted else "/".join(parts) or "."


def match(pattern: str, path: str) -> bool:
    """Does the whole path match? `*` and `?` do not match a slash.

    Raises InvalidValueError for a malformed pattern.
    """
    return _compile(pattern).matches(path)


def has_wildcard(pattern: str) -> bool:
    """Would the pattern match anything but the path that it spells?"""
    characters = iter(pattern)
    for character in characters:
        if character in "*?[":
            return True
        if character == "\\":
            next(characters, None)
    return False


def read_class(pattern: str, start: int) -> tuple[One, int]:
    """The character class whose `[` is at `start`, and the index behind its `]`.

    Raises InvalidValueError.
    """
    index = start + 1
    negated = pattern.startswith("^", index)
    index += negated
    ranges: list[tuple[str, str]] = []
    while not (pattern.startswith("]", index) and ranges):
        low, index = _class_character(pattern, index)
        high = low
        if pattern.startswith("-", index):
            high, index = _class_character(pattern, index + 1)
        ranges.append((low, high))
    return One(tuple(ranges), negated), index + 1


def malformed(pattern: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{pattern[:100]!r} is not a pattern",
        why=why,
        next_command="put a backslash before a `[`, `]`, `*` or `?` that is meant literally",
    )


def _class_character(pattern: str, index: int) -> tuple[str, int]:
    escaped = pattern.startswith("\\", index)
    index += escaped
    if index >= len(pattern):
        raise malformed(pattern, "a `[` has no matching `]`")
    if pattern[index] in "-]" and not escaped:
        raise malformed(pattern, f"{pattern[index]!r} stands where a character is expected")
    return pattern[index], index + 1


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> Glob:
    tokens: list[Token] = []
    index = 0
    while index < len(pattern):
        token, index = read_token(pattern, index)
        tokens.append(token)
    return Glob(tokens)


def read_token(pattern: str, index: int) -> tuple[Token, int]:
    """What stands at an index of a pattern, and the index behind it."""
    character = pattern[index]
    if character == "*":
        return Many("/"), index + 1
    if character == "?":
        return NOT_SLASH, index + 1
    if character == "[":
        return read_class(pattern, index)
    if character == "\\":
        index += 1
        if index == len(pattern):
            raise malformed(pattern, "it ends in a backslash")
        character = pattern[index]
    return One(((character, character),)), index + 1
