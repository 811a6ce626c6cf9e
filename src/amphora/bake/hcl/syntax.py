"""The syntax tree: expressions, attributes and blocks, each with where it stands.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from amphora.bake.hcl.source import Span
from amphora.bake.hcl.values import Value


class Literal(Struct, frozen=True, eq=False):
    span: Span
    value: Value


class Variable(Struct, frozen=True, eq=False):
    span: Span
    name: str


class Template(Struct, frozen=True, eq=False):
    """Text and expressions that make one text together."""

    span: Span
    parts: "Sequence[Expression]"


class GetAttribute(Struct, frozen=True, eq=False):
    span: Span
    of: "Expression"
    name: str


class Index(Struct, frozen=True, eq=False):
    span: Span
    of: "Expression"
    key: "Expression"


class Splat(Struct, frozen=True, eq=False):
    """`each` says of `item` what becomes of every element."""

    span: Span
    of: "Expression"
    item: Variable
    each: "Expression"


class Call(Struct, frozen=True, eq=False):
    """With `expands`, the elements of the last argument are arguments."""

    span: Span
    name: str
    arguments: "Sequence[Expression]"
    expands: bool


class Unary(Struct, frozen=True, eq=False):
    span: Span
    operator: str
    of: "Expression"


class Binary(Struct, frozen=True, eq=False):
    span: Span
    operator: str
    left: "Expression"
    right: "Expression"


class Conditional(Struct, frozen=True, eq=False):
    """In a template (`%{ if }`) the two need not be of one type."""

    span: Span
    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"


class MakeTuple(Struct, frozen=True, eq=False):
    span: Span
    items: "Sequence[Expression]"


class MakeObject(Struct, frozen=True, eq=False):
    span: Span
    items: "Sequence[tuple[Expression, Expression]]"


class For(Struct, frozen=True, eq=False):
    """A tuple, or with a `key` an object; with `grouped`, one of tuples. `joined`: a text."""

    span: Span
    names: tuple[str, ...]
    over: "Expression"
    value: "Expression"
    key: "Expression | None" = None
    condition: "Expression | None" = None
    grouped: bool = False
    joined: bool = False


Expression = (
    Literal
    | Variable
    | Template
    | GetAttribute
    | Index
    | Splat
    | Call
    | Unary
    | Binary
    | Conditional
    | MakeTuple
    | MakeObject
    | For
)


class Attribute(Struct, frozen=True, eq=False):
    """`span` is that of the name."""

    name: str
    value: Expression
    span: Span


class Block(Struct, frozen=True, eq=False):
    """`TYPE "LABEL" { … }`; `span` is what stands before the brace."""

    type: str
    labels: tuple[str, ...]
    body: "Body"
    span: Span


class Body(Struct, frozen=True, eq=False):
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    blocks: Sequence[Block] = ()

    def of_type(self, name: str) -> Iterator[Block]:
        return (block for block in self.blocks if block.type == name)
