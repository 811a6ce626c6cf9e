"""Functions of texts.

https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
"""

import posixpath
import re
import warnings
from pathlib import Path

from amphora.bake.hcl.functions.formatting import format_text
from amphora.bake.hcl.functions.function import ANY, LIST, TEXT, WHOLE, Function, Functions
from amphora.bake.hcl.values import Value, bounded, number, to_text

_ENDS = re.compile(r"(?:\r\n?|\n)*\Z")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")

#: `$1`, `${1}`, `$name` and `$$`, as Go's regexp has them in a replacement.
_EXPANDED = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<braced>\w+)\})", re.ASCII)
_MOST_LINES = 10_000


def _pattern(text: str) -> re.Pattern[str]:
    """Go writes named groups without P, too, and the end of the text as \\z."""
    text = re.sub(r"\(\?<(?![=!])", "(?P<", text).replace("\\z", "\\Z")
    try:
        with warnings.catch_warnings():
            # What later versions of Python may read in another way is nobody's mistake here.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text)
    except (re.error, RecursionError) as error:
        raise ValueError(f"the pattern is wrong: {error}") from error


def _found(match: re.Match[str]) -> Value:
    if names := match.groupdict():
        return dict(names)
    return match.groups() or match[0]


def _regex(pattern: str, text: str) -> Value:
    match = _pattern(pattern).search(text)
    if match is None:
        raise ValueError("the pattern does not match")
    return _found(match)


def _regex_all(pattern: str, text: str) -> Value:
    return tuple(map(_found, _pattern(pattern).finditer(text)))


def _regex_replace(text: str, pattern: str, replacement: str) -> Value:
    def expand(match: re.Match[str]) -> str:
        def group(part: re.Match[str]) -> str:
            name = part["bare"] or part["braced"]
            if not name:
                return "$"
            try:
                return match[int(name) if name.isdecimal() else name] or ""
            except IndexError:
                return ""

        return _EXPANDED.sub(group, replacement)

    return bounded(_pattern(pattern).sub(expand, text))


def _substring(text: str, offset: int, length: int) -> Value:
    start = max(0, offset + len(text)) if offset < 0 else offset
    return text[start:] if length < 0 else text[start : start + length]


def _split(separator: str, text: str) -> Value:
    return tuple(text.split(separator) if separator else text)


def _join(separator: str, *lists: tuple[Value, ...]) -> Value:
    return bounded(separator.join(to_text(item) for items in lists for item in items))


def _indent(spaces: int, text: str) -> Value:
    if not 0 <= spaces <= _MOST_LINES:
        raise ValueError(f"between 0 and {_MOST_LINES} spaces can be added")
    return bounded(text.replace("\n", "\n" + " " * spaces))


def _title(text: str) -> Value:
    """As Go's strings.Title: a letter is large after what is part of no word."""
    starts = (
        index == 0 or not (before.isalnum() or before == "_")
        for index, before in enumerate(f" {text[:-1]}")
    )
    return "".join(
        char.upper() if start else char for start, char in zip(starts, text, strict=True)
    )


def _replace(text: str, old: str, new: str) -> Value:
    return bounded(text.replace(old, new))


def _dirname(path: str) -> Value:
    return posixpath.normpath(posixpath.dirname(path) or ".")


def _basename(path: str) -> Value:
    if not path:
        return "."
    return posixpath.basename(path.rstrip("/")) or "/"


def _format_list(form: str, *arguments: Value) -> Value:
    """Once for each element; lists go side by side, other arguments are the same for all."""
    lengths = {len(item) for item in arguments if isinstance(item, tuple)}
    if len(lengths) > 1:
        raise ValueError("the lists are not of one length")
    return tuple(
        format_text(form, *(item[row] if isinstance(item, tuple) else item for item in arguments))
        for row in range(max(lengths, default=1))
    )


TEXTUAL: Functions = {
    "basename": Function(_basename, (TEXT,)),
    "chomp": Function(lambda text: _ENDS.sub("", text), (TEXT,)),
    "dirname": Function(_dirname, (TEXT,)),
    "format": Function(format_text, (TEXT,), rest=ANY),
    "formatlist": Function(_format_list, (TEXT,), rest=ANY),
    "homedir": Function(lambda: str(Path.home())),
    "indent": Function(_indent, (WHOLE, TEXT)),
    "join": Function(_join, (TEXT, LIST), rest=LIST),
    "lower": Function(str.lower, (TEXT,)),
    "regex": Function(_regex, (TEXT, TEXT)),
    "regex_replace": Function(_regex_replace, (TEXT, TEXT, TEXT)),
    "regexall": Function(_regex_all, (TEXT, TEXT)),
    "replace": Function(_replace, (TEXT, TEXT, TEXT)),
    "reverse": Function(lambda text: text[::-1], (TEXT,)),
    "sanitize": Function(lambda text: _NOT_IN_NAMES.sub("_", text), (TEXT,)),
    "split": Function(_split, (TEXT, TEXT)),
    "strlen": Function(lambda text: number(len(text)), (TEXT,)),
    "substr": Function(_substring, (TEXT, WHOLE, WHOLE)),
    "title": Function(_title, (TEXT,)),
    "trim": Function(str.strip, (TEXT, TEXT)),
    "trimprefix": Function(str.removeprefix, (TEXT, TEXT)),
    "trimspace": Function(str.strip, (TEXT,)),
    "trimsuffix": Function(str.removesuffix, (TEXT, TEXT)),
    "upper": Function(str.upper, (TEXT,)),
}
