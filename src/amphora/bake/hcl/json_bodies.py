"""The same structure in JSON: texts are templates, blocks are objects below their labels.

https://github.com/hashicorp/hcl/blob/main/json/spec.md
"""

import json
import re
from collections.abc import Sequence

from msgspec import Struct

from amphora.bake.hcl.expressions import parse_template
from amphora.bake.hcl.source import DEEPEST, Source, Span
from amphora.bake.hcl.syntax import (
    Attribute,
    Block,
    Body,
    Expression,
    Literal,
    MakeObject,
    MakeTuple,
)
from amphora.bake.hcl.values import number

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORDS = {"true": True, "false": False, "null": None}

#: What are blocks and not attributes: at the top, with a label each, and in a variable.
_LABELLED = ("variable", "function", "group", "target")
_BELOW = {"variable": ("validation",)}


class _Node(Struct, frozen=True):
    """A value of the document, and where it stands."""

    span: Span
    value: "str | bool | _Number | list[_Node] | _Object | None"


class _Number(Struct, frozen=True):
    text: str


class _Object(Struct, frozen=True):
    pairs: Sequence[tuple[str, Span, _Node]]


def parse_json_body(source: Source) -> Body:
    """A whole file; raises BakeError."""
    reader = _Reader(source)
    node = reader.value(0)
    reader.space()
    if reader.at < len(source.text):
        raise reader.wrong("the document has ended here")
    return _body(node, _LABELLED)


class _Reader:
    """Reads JSON as json.loads does, but knows where everything stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.at = 0

    def space(self) -> None:
        found = _SPACE.match(self._source.text, self.at)
        self.at = found.end() if found else self.at

    def wrong(self, why: str) -> Exception:
        span = Span(self._source, self.at, self.at + 1)
        return span.error("this is no JSON", why=why, fix="correct the part that is marked")

    def value(self, depth: int) -> _Node:
        if depth > DEEPEST:
            raise self.wrong(f"it is nested deeper than {DEEPEST} levels")
        self.space()
        start = self.at
        found: str | bool | _Number | list[_Node] | _Object | None
        match self._source.text[start : start + 1]:
            case "{":
                found = self._object(depth)
            case "[":
                found = self._array(depth)
            case '"':
                found = self._string()
            case _:
                found = self._word()
        return _Node(Span(self._source, start, self.at), found)

    def _object(self, depth: int) -> _Object:
        pairs: list[tuple[str, Span, _Node]] = []
        while self._more("{", "}", first=not pairs):
            start = self.at
            key = self._string()
            span = Span(self._source, start, self.at)
            self.space()
            self._expect(":")
            pairs.append((key, span, self.value(depth + 1)))
        return _Object(pairs)

    def _array(self, depth: int) -> list[_Node]:
        items: list[_Node] = []
        while self._more("[", "]", first=not items):
            items.append(self.value(depth + 1))
        return items

    def _more(self, opened: str, closed: str, *, first: bool) -> bool:
        """Go to the next element; False if there is none."""
        if first:
            self._expect(opened)
        self.space()
        if self._source.text.startswith(closed, self.at):
            self.at += 1
            return False
        if not first:
            self._expect(",")
            self.space()
        return True

    def _expect(self, text: str) -> None:
        if not self._source.text.startswith(text, self.at):
            raise self.wrong(f"{text!r} is missing here")
        self.at += 1

    def _string(self) -> str:
        found = _STRING.match(self._source.text, self.at)
        if found is None:
            raise self.wrong("a text in double quotes is missing here")
        try:
            text: str = json.loads(found[0])
        except ValueError as error:
            raise self.wrong(str(error)) from error
        self.at = found.end()
        return text

    def _word(self) -> bool | _Number | None:
        if found := _NUMBER.match(self._source.text, self.at):
            self.at = found.end()
            return _Number(found[0])
        for word, value in _WORDS.items():
            if self._source.text.startswith(word, self.at):
                self.at += len(word)
                return value
        raise self.wrong("a value is missing here")


def _body(node: _Node, blocks: Sequence[str]) -> Body:
    attributes: dict[str, Attribute] = {}
    found: list[Block] = []
    for each in _objects(node):
        for name, span, value in each.pairs:
            if name == "//":
                continue  # a comment
            if name in _LABELLED and name in blocks:
                found += _labelled(name, value)
            elif name in blocks:
                found += [Block(name, (), _body(item, ()), span) for item in _items(value)]
            else:
                attributes[name] = Attribute(name, _expression(value), span)
    return Body(attributes, found)


def _labelled(name: str, node: _Node) -> list[Block]:
    below = _BELOW.get(name, ())
    return [
        Block(name, (label,), _body(item, below), span)
        for each in _objects(node)
        for label, span, value in each.pairs
        for item in _items(value)
    ]


def _items(node: _Node) -> list[_Node]:
    return node.value if isinstance(node.value, list) else [node]


def _objects(node: _Node) -> list[_Object]:
    """An object, or several in a list."""
    found = [each.value for each in _items(node) if isinstance(each.value, _Object)]
    if len(found) < len(_items(node)):
        raise node.span.error(
            "this is no object", why="names and what they mean stand in braces", fix="add them"
        )
    return found


def _expression(node: _Node) -> Expression:
    match node.value:
        case str(text):
            return parse_template(Source(node.span.source.filename, text, node.span))
        case _Number(text):
            with node.span.explain("this number cannot be worked with"):
                return Literal(node.span, number(text))
        case _Object(pairs):
            items = [
                (parse_template(Source(span.source.filename, key, span)), _expression(value))
                for key, span, value in pairs
            ]
            return MakeObject(node.span, items)
        case list(nodes):
            return MakeTuple(node.span, [_expression(each) for each in nodes])
        case bool() | None as word:
            return Literal(node.span, word)
