"""Expressions, from text to tree.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#expressions
"""

import re
from typing import NoReturn

from amphora.bake.hcl.cursor import Cursor
from amphora.bake.hcl.source import Source
from amphora.bake.hcl.syntax import (
    Binary,
    Call,
    Conditional,
    Expression,
    For,
    GetAttribute,
    Index,
    Literal,
    MakeObject,
    MakeTuple,
    Splat,
    Unary,
    Variable,
)
from amphora.bake.hcl.templates import read_heredoc, read_names, read_plain, read_quoted
from amphora.bake.hcl.values import Value, number

#: How tightly the operators between two values bind.
_LEVELS = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!="), 3),
    **dict.fromkeys(("<", ">", "<=", ">="), 4),
    **dict.fromkeys("+-", 5),
    **dict.fromkeys("*/%", 6),
}
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DIGITS = re.compile(r"\d+")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}

#: What the elements of a splat are called: no name that anybody can write.
_EACH = "*"


def parse_expression(source: Source) -> Expression:
    """A text that is one expression and nothing else; raises BakeError."""
    cursor = Cursor(source)
    with cursor.inside(lines_count=False):
        found = read_expression(cursor)
        cursor.skip()
    if not cursor.at_end:
        cursor.fail("this expression has ended here", why="nothing can follow it")
    return found


def parse_template(source: Source) -> Expression:
    """A text of JSON, in which `${ … }` is an expression; raises BakeError."""
    return read_plain(Cursor(source), read_expression)


def read_expression(cursor: Cursor) -> Expression:
    """One expression, as long as it goes on; raises BakeError if none stands here."""
    cursor.skip()
    start = cursor.at
    with cursor.inside(lines_count=cursor.lines_count):
        condition = _binary(cursor, 1)
        if not cursor.accept("?"):
            return condition
        cursor.skip_lines()
        then = read_expression(cursor)
        if cursor.lines_count:
            cursor.skip_lines()
        cursor.expect(":", "the value after ?")
        cursor.skip_lines()
        otherwise = read_expression(cursor)
    return Conditional(cursor.span(start), condition, then, otherwise)


def _binary(cursor: Cursor, level: int) -> Expression:
    """Operators of this level and those that bind tighter, from left to right."""
    start = cursor.at
    left = _unary(cursor)
    while _LEVELS.get(operator := cursor.peek(), 0) >= level and not _strips(cursor, operator):
        cursor.accept(operator)
        cursor.skip()
        right = _binary(cursor, _LEVELS[operator] + 1)
        left = Binary(cursor.span(start), operator, left, right)
    return left


def _strips(cursor: Cursor, operator: str) -> bool:
    """Is it the `%` of a `%{` that follows?"""
    return operator == "%" and cursor.starts_with("%{")


def _unary(cursor: Cursor) -> Expression:
    cursor.skip()
    start = cursor.at
    for operator in ("-", "!"):
        if cursor.accept(operator):
            with cursor.inside(lines_count=cursor.lines_count):
                of = _unary(cursor)
            return Unary(cursor.span(start), operator, of)
    return _postfix(cursor, _term(cursor), start)


def _postfix(cursor: Cursor, found: Expression, start: int) -> Expression:
    """What is looked up in a term: `.name`, `.0`, `[key]`, `.*`, `[*]`."""
    while (operator := cursor.peek()) in {".", "["}:
        cursor.accept(operator)
        if cursor.accept("*"):
            if operator == "[":
                cursor.expect("]", "[*")
            return _splat(cursor, found, start, full=operator == "[")
        found = _dot(cursor, found, start) if operator == "." else _index(cursor, found, start)
    return found


def _dot(cursor: Cursor, of: Expression, start: int) -> Expression:
    if digits := cursor.take(_DIGITS):
        key = Literal(cursor.span(cursor.at - len(digits)), number(digits))
        return Index(cursor.span(start), of, key)
    name = cursor.identifier()
    if not name:
        cursor.fail("a name is missing after the dot", why="it says what is looked up")
    return GetAttribute(cursor.span(start), of, name)


def _index(cursor: Cursor, of: Expression, start: int) -> Expression:
    with cursor.inside(lines_count=False):
        key = read_expression(cursor)
        cursor.expect("]", "the key")
    return Index(cursor.span(start), of, key)


def _splat(cursor: Cursor, of: Expression, start: int, *, full: bool) -> Expression:
    """`.*` takes the names that follow to each element, `[*]` the indexes, too."""
    item = Variable(cursor.span(start), _EACH)
    each: Expression = item
    taken = {".", "["} if full else {"."}
    while (operator := cursor.peek()) in taken:
        cursor.accept(operator)
        each = _dot(cursor, each, start) if operator == "." else _index(cursor, each, start)
    return _postfix(cursor, Splat(cursor.span(start), of, item, each), start)


def _term(cursor: Cursor) -> Expression:
    start = cursor.at
    if cursor.starts_with('"'):
        return read_quoted(cursor, read_expression)
    if cursor.starts_with("<<"):
        return read_heredoc(cursor, read_expression)
    if digits := cursor.take(_NUMBER):
        with cursor.span(start).explain("this number cannot be worked with"):
            return Literal(cursor.span(start), number(digits))
    read = _BRACKETS.get(cursor.peek(), _named)
    return read(cursor, start)


def _parenthesised(cursor: Cursor, _start: int) -> Expression:
    cursor.accept("(")
    with cursor.inside(lines_count=False):
        found = read_expression(cursor)
        cursor.expect(")", "the expression")
    return found


def _named(cursor: Cursor, start: int) -> Expression:
    name = cursor.identifier()
    if not name:
        _fail_without_value(cursor)
    if cursor.starts_with("("):
        return _call(cursor, name, start)
    if name in _WORDS:
        return Literal(cursor.span(start), _WORDS[name])
    return Variable(cursor.span(start), name)


def _fail_without_value(cursor: Cursor) -> NoReturn:
    if cursor.starts_with("'"):
        cursor.fail("a text does not begin so", why="only double quotes are quotes", fix='use "')
    cursor.fail("a value is missing here", why="an expression has to stand here")


def _call(cursor: Cursor, name: str, start: int) -> Expression:
    end = cursor.at
    cursor.accept("(")
    arguments: list[Expression] = []
    expands = False
    with cursor.inside(lines_count=False):
        while not cursor.accept(")"):
            arguments.append(read_expression(cursor))
            expands = cursor.accept("...")
            if expands or not cursor.accept(","):
                cursor.expect(")", "the arguments")
                break
    return Call(cursor.span(start, end), name, arguments, expands)


def _tuple(cursor: Cursor, start: int) -> Expression:
    cursor.accept("[")
    with cursor.inside(lines_count=False):
        if cursor.keyword("for"):
            return _for(cursor, start, "]")
        items: list[Expression] = []
        while not cursor.accept("]"):
            items.append(read_expression(cursor))
            if not cursor.accept(","):
                cursor.expect("]", "the elements of a list, and commas between them,")
                break
    return MakeTuple(cursor.span(start), items)


def _object(cursor: Cursor, start: int) -> Expression:
    cursor.accept("{")
    items: list[tuple[Expression, Expression]] = []
    with cursor.inside(lines_count=True):
        cursor.skip_lines()
        if cursor.keyword("for"):
            with cursor.inside(lines_count=False):
                return _for(cursor, start, "}")
        while not cursor.accept("}"):
            key = _key(cursor)
            if not cursor.accept("="):
                cursor.expect(":", "a key, or =,")
            items.append((key, read_expression(cursor)))
            cursor.skip()
            if not (cursor.accept(",") or cursor.at_end_of_line or cursor.peek() == "}"):
                cursor.fail("this entry has ended here", why="a comma or a new line parts entries")
            cursor.skip_lines()
    return MakeObject(cursor.span(start), items)


def _key(cursor: Cursor) -> Expression:
    """A name is a text here; in parentheses it is a variable."""
    before = cursor.at
    if (name := cursor.identifier()) and cursor.peek() in {"=", ":"}:
        return Literal(cursor.span(before, before + len(name)), name)
    cursor.at = before
    return read_expression(cursor)


def _for(cursor: Cursor, start: int, closed: str) -> Expression:
    names = read_names(cursor)
    over = read_expression(cursor)
    cursor.expect(":", "what is gone through")
    key, value = None, read_expression(cursor)
    if closed == "}":
        cursor.expect("=>", "the key")
        key, value = value, read_expression(cursor)
    grouped = closed == "}" and cursor.accept("...")
    condition = read_expression(cursor) if cursor.keyword("if") else None
    cursor.expect(closed, "a `for`")
    return For(cursor.span(start), names, over, value, key, condition, grouped)


#: What begins a term that ends with a bracket.
_BRACKETS = {"(": _parenthesised, "[": _tuple, "{": _object}


def keyword_of(expression: Expression) -> str:
    """The name that stands there alone, as the parameters of functions do; else an empty text."""
    match expression:
        case Variable(_, name):
            return name
        case Literal(_, str(text)) if re.fullmatch(r"[^\W\d][\w-]*", text):
            return text
    return ""
