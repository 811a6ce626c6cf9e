"""The structure of a file in HCL's own syntax: attributes and blocks.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#structural-elements
"""

from amphora.bake.hcl.cursor import Cursor
from amphora.bake.hcl.expressions import read_expression
from amphora.bake.hcl.source import Source, Span
from amphora.bake.hcl.syntax import Attribute, Block, Body, Literal


def parse_body(source: Source) -> Body:
    """A whole file; raises BakeError."""
    return _body(Cursor(source), closed=False)


def _body(cursor: Cursor, *, closed: bool) -> Body:
    """Up to the closing brace, or to the end of the file."""
    attributes: dict[str, Attribute] = {}
    blocks: list[Block] = []
    while True:
        cursor.skip_lines()
        if cursor.at_end or (closed and cursor.peek() == "}"):
            break
        start = cursor.at
        name = cursor.identifier()
        if not name:
            cursor.fail("this begins neither a block nor an attribute", why="both have a name")
        span = cursor.span(start)
        if cursor.accept("="):
            _attribute(cursor, name, span, attributes)
        else:
            blocks.append(_block(cursor, name, start))
        cursor.skip()
        if not (cursor.at_end_of_line or (closed and cursor.peek() == "}")):
            cursor.fail(
                f"{name!r} has ended here", why="what comes next begins on a line of its own"
            )
    return Body(attributes, blocks)


def _attribute(cursor: Cursor, name: str, span: Span, attributes: dict[str, Attribute]) -> None:
    if name in attributes:
        raise span.error(
            f"{name!r} is there twice",
            why=f"line {attributes[name].span.source.place(attributes[name].span.start)[0]} sets"
            " it, too",
            fix="remove one of them",
        )
    attributes[name] = Attribute(name, read_expression(cursor), span)


def _block(cursor: Cursor, name: str, start: int) -> Block:
    labels: list[str] = []
    while cursor.peek() != "{":
        before = cursor.at
        if label := cursor.identifier():
            labels.append(label)
            continue
        if not cursor.starts_with('"'):
            cursor.fail(
                f"`{name}` is not complete", why="= and a value, or a block in braces, follow"
            )
        found = read_expression(cursor)
        if not isinstance(found, Literal) or not isinstance(found.value, str):
            raise cursor.span(before).error(
                "this cannot be a label", why="nothing is inserted there", fix="write it out"
            )
        labels.append(found.value)
    span = cursor.span(start)
    cursor.accept("{")
    with cursor.inside(lines_count=True):
        body = _body(cursor, closed=True)
        if not cursor.accept("}"):
            raise span.error(
                "this block has no end", why="its closing brace is missing", fix="add it"
            )
    return Block(name, tuple(labels), body, span)
