"""Texts with `${ … }` and `%{ … }` in them: between quotes, in a heredoc, or in JSON.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#templates
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from msgspec import Struct

from amphora.bake.hcl.cursor import Cursor
from amphora.bake.hcl.source import Span
from amphora.bake.hcl.syntax import Conditional, Expression, For, Literal, Template

ReadExpression = Callable[[Cursor], Expression]

_QUOTED = re.compile(r'(?:[^"\\$%\n]|\$(?!\$?\{)|%(?!%?\{))+')
_PLAIN = re.compile(r"(?:[^$%]|\$(?!\$?\{)|%(?!%?\{))+")
_ESCAPE = re.compile(r'\\(?:[nrt"\\]|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})')
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_SPACE = " \t\r\n"


class _Text(Struct):
    span: Span
    text: str


class _Sequence(Struct):
    """`${ … }` or `%{ … }`: with `~`, spaces of the text beside it are left out.

    `word` is that of a directive, or empty; `names` are those that a `for` gives.
    """

    span: Span
    word: str
    value: Expression | None
    names: tuple[str, ...]
    trims_before: bool
    trims_after: bool


_Part = _Text | _Sequence


def read_quoted(cursor: Cursor, read_expression: ReadExpression) -> Expression:
    """A text between quotes; the cursor is before the first of them."""
    start = cursor.at
    cursor.at += 1
    parts: list[_Part] = []
    while not cursor.starts_with('"'):
        if cursor.at_end_of_line:
            raise cursor.span(start, start + 1).error(
                "this text has no end",
                why="a text ends with a quote, on the line on which it begins",
                fix="close it, write \\n for a new line, or use <<EOT",
            )
        parts.append(_read_part(cursor, read_expression, _QUOTED, escapes=True))
    cursor.at += 1
    return assemble(parts, cursor.span(start))


def read_plain(cursor: Cursor, read_expression: ReadExpression) -> Expression:
    """A text up to the cursor's end, in which a backslash is one."""
    start = cursor.at
    parts: list[_Part] = []
    while not cursor.at_end:
        parts.append(_read_part(cursor, read_expression, _PLAIN, escapes=False))
    return assemble(parts, cursor.span(start))


def read_heredoc(cursor: Cursor, read_expression: ReadExpression) -> Expression:
    """The lines after `<<WORD` or `<<-WORD` up to one that says WORD; the cursor is before it."""
    start = cursor.at
    opened = re.compile(r"<<(?P<flush>-?)(?P<word>[^\W\d][\w-]*)[ \t]*\r?\n").match(
        cursor.source.text, start, cursor.end
    )
    if opened is None:
        cursor.fail("this is no heredoc", why="a word and the end of the line follow <<")
    closed = re.compile(rf"^[ \t]*{re.escape(opened['word'])}[ \t]*(?=\r?$)", re.MULTILINE).search(
        cursor.source.text, opened.end(), cursor.end
    )
    if closed is None:
        raise cursor.span(start, opened.end("word")).error(
            "this heredoc has no end",
            why=f"no line after it says {opened['word']}",
            fix=f"write {opened['word']} on a line of its own",
        )
    inner = Cursor(cursor.source, opened.end(), closed.start())
    parts: list[_Part] = []
    while not inner.at_end:
        parts.append(_read_part(inner, read_expression, _PLAIN, escapes=False))
    cursor.at = closed.end()
    if opened["flush"]:
        _flush(parts)
    return assemble(parts, cursor.span(start, opened.end("word")), unwraps=False)


def _read_part(
    cursor: Cursor, read_expression: ReadExpression, literal: re.Pattern[str], *, escapes: bool
) -> _Part:
    start = cursor.at
    for escaped in ("$${", "%%{"):
        if cursor.starts_with(escaped):
            cursor.at += len(escaped)
            return _Text(cursor.span(start), escaped[1:])
    if cursor.starts_with("${") or cursor.starts_with("%{"):
        with cursor.inside(lines_count=False):
            return _read_sequence(cursor, read_expression)
    if escapes and cursor.starts_with("\\"):
        escape = cursor.take(_ESCAPE)
        if not escape:
            raise cursor.span(start, start + 2).error(
                "this means nothing after a backslash",
                why='\\n, \\r, \\t, \\", \\\\, \\uNNNN and \\UNNNNNNNN do',
                fix="write \\\\ for a backslash",
            )
        with cursor.span(start).explain("there is no such character"):
            return _Text(cursor.span(start), _character(escape))
    return _Text(cursor.span(start), cursor.take(literal))


def _character(escape: str) -> str:
    letter = escape[1]
    if letter in _LETTERS:
        return _LETTERS[letter]
    digits = escape[2:]
    return chr(int(digits, 16))


def _read_sequence(cursor: Cursor, read_expression: ReadExpression) -> _Sequence:
    start = cursor.at
    directive = cursor.starts_with("%{")
    cursor.at += 2
    before = cursor.starts_with("~")
    cursor.at += before
    if directive:
        word, names, value = _read_directive(cursor, read_expression)
    else:
        word, names, value = "", (), read_expression(cursor)
    after = cursor.accept("~")
    cursor.expect("}", "what is inserted")
    return _Sequence(cursor.span(start), word, value, names, before, after)


def _read_directive(
    cursor: Cursor, read_expression: ReadExpression
) -> tuple[str, tuple[str, ...], Expression | None]:
    word = cursor.identifier()
    if word == "if":
        return word, (), read_expression(cursor)
    if word == "for":
        names = read_names(cursor)
        return word, names, read_expression(cursor)
    if word not in {"else", "endif", "endfor"}:
        cursor.fail(f"{word!r} is no directive", why="they are if, else, endif, for and endfor")
    return word, (), None


def read_names(cursor: Cursor) -> tuple[str, ...]:
    """`NAME in` or `NAME, NAME in`."""
    names = [cursor.identifier()]
    if cursor.accept(","):
        names.append(cursor.identifier())
    if not all(names) or not cursor.keyword("in"):
        cursor.fail("this `for` is not complete", why="it is written as `for NAME, NAME in …`")
    return tuple(names)


def _flush(parts: list[_Part]) -> None:
    """Take from all lines the spaces that each of them begins with."""
    starts = [
        (part, index)
        for number, part in enumerate(parts)
        if isinstance(part, _Text)
        for index, line in enumerate(part.text.split("\n"))
        if (index > 0 or number == 0) and (line.strip() or _continues(parts, number, index))
    ]
    if not starts:
        return
    width = min(_indent(part.text.split("\n")[index]) for part, index in starts)
    for number, part in enumerate(parts):
        if isinstance(part, _Text):
            lines = part.text.split("\n")
            part.text = "\n".join(
                line[min(width, _indent(line)) :] if index > 0 or number == 0 else line
                for index, line in enumerate(lines)
            )


def _continues(parts: Sequence[_Part], number: int, index: int) -> bool:
    """Does something else follow on the line that a text ends with?"""
    part = parts[number]
    last = isinstance(part, _Text) and index == part.text.count("\n")
    return last and number + 1 < len(parts)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def assemble(parts: Sequence[_Part], span: Span, *, unwraps: bool = True) -> Expression:
    """One expression; `"${x}"` alone is x itself, whatever its type is."""
    for left, right in pairwise(parts):
        if isinstance(left, _Text) and isinstance(right, _Sequence) and right.trims_before:
            left.text = left.text.rstrip(_SPACE)
        if isinstance(right, _Text) and isinstance(left, _Sequence) and left.trims_after:
            right.text = right.text.lstrip(_SPACE)
    if unwraps and len(parts) == 1 and isinstance(parts[0], _Sequence) and not parts[0].word:
        return _value(parts[0])
    if all(isinstance(part, _Text) for part in parts):
        return Literal(span, "".join(part.text for part in parts if isinstance(part, _Text)))
    return _Assembler(parts).template(span)


def _value(sequence: _Sequence) -> Expression:
    if sequence.value is None:
        raise sequence.span.error(
            f"`{sequence.word}` stands alone here",
            why="no `if` or `for` before it is open",
            fix="remove it, or begin what it ends",
        )
    return sequence.value


class _Assembler:
    """Puts directives and what stands between them together."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self._next = 0

    def template(self, span: Span) -> Template:
        """All of it."""
        return self._up_to(span, ())[0]

    def _up_to(self, span: Span, ends: Sequence[str]) -> tuple[Template, str]:
        """Up to a directive that is among `ends`, and which it was."""
        found: list[Expression] = []
        while self._next < len(self._parts):
            part = self._parts[self._next]
            self._next += 1
            if isinstance(part, _Text):
                found.append(Literal(part.span, part.text))
            elif part.word in ends:
                return Template(span, found), part.word
            elif part.word == "if":
                found.append(self._if(part))
            elif part.word == "for":
                body, _ = self._up_to(part.span, ("endfor",))
                found.append(For(part.span, part.names, _value(part), body, joined=True))
            else:
                found.append(_value(part))
        if ends:
            raise span.error(
                "this directive has no end", why=f"{ends[-1]} is missing", fix="write it"
            )
        return Template(span, found), ""

    def _if(self, opened: _Sequence) -> Expression:
        then, word = self._up_to(opened.span, ("else", "endif"))
        otherwise: Expression = Literal(opened.span, "")
        if word == "else":
            otherwise, _ = self._up_to(opened.span, ("endif",))
        return Conditional(opened.span, _value(opened), then, otherwise)
