"""The patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`.

`*` is any run of characters, `?` is any one; brackets mean themselves. As
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_13
without the bracket expressions.
"""

from amphora.build.glob import Glob, Many, One, Token


class PatternError(ValueError):
    """A backslash before a character that needs none."""


def trim(value: str, operator: str, pattern: str) -> str:
    """`#` cuts a matching beginning off the value, `%` an ending; the shortest one.

    The pattern begins with the operator again (`##`, `%%`) if the longest is meant.
    Raises PatternError.
    """
    longest = pattern.startswith(operator)
    tokens = _read(pattern[longest:])
    if operator == "#":
        return value[_end(Glob(tokens), value, 0, longest=longest) or 0 :]
    backwards = value[::-1]
    end = _end(Glob(tokens[::-1]), backwards, 0, longest=longest) or 0
    return backwards[end:][::-1]


def replace(value: str, operator: str, pattern: str, replacement: str) -> str:
    """`/` puts the replacement where the pattern matches first, `//` wherever it does.

    Raises PatternError.
    """
    glob = Glob(_read(pattern))
    starts = glob.starts(value)
    pieces: list[str] = []
    index, previous_end = 0, -1
    while starts >> index:
        remaining = starts >> index
        start = index + (remaining & -remaining).bit_length() - 1
        end = _end(glob, value, start, longest=True) or start
        if end == start == previous_end:
            # An empty match right behind the one before does not count.
            pieces.append(value[start : start + 1])
            index = start + 1
            continue
        pieces += (value[index:start], replacement)
        index = previous_end = end
        if end == start:
            pieces.append(value[end : end + 1])
            index = end + 1
        if operator == "/":
            break
    return "".join(pieces) + value[index:]


def _end(glob: Glob, value: str, start: int, *, longest: bool) -> int | None:
    ends = glob.ends(value, start)
    if not ends:
        return None
    return (ends if longest else ends & -ends).bit_length() - 1


def _read(pattern: str) -> list[Token]:
    tokens: list[Token] = []
    characters = iter(range(len(pattern)))
    for index in characters:
        character = pattern[index]
        if character == "\\":
            following = pattern[index + 1 : index + 2]
            if not following or following not in "*?\\/}":
                raise PatternError(f"a backslash before {following!r} escapes nothing")
            next(characters)
            character = following
        elif character == "*":
            tokens.append(Many("\n"))
            continue
        elif character == "?":
            tokens.append(One((("\n", "\n"),), negated=True))
            continue
        tokens.append(One(((character, character),)))
    return tokens
