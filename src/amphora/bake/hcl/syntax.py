"""The syntax tree: expressions, attributes and blocks, each with where it stands.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from amphora.bake.hcl.source import Span
from amphora.bake.hcl.values import Value


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    span: Span
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    span: Span
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Text and expressions that make one text together."""

    span: Span
    parts: "Sequence[Expression]"


@dataclass(frozen=True, slots=True, eq=False)
class GetAttribute:
    span: Span
    of: "Expression"
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    span: Span
    of: "Expression"
    key: "Expression"


@dataclass(frozen=True, slots=True, eq=False)
class Splat:
    """`each` says of `item` what becomes of every element."""

    span: Span
    of: "Expression"
    item: Variable
    each: "Expression"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """With `expands`, the elements of the last argument are arguments."""

    span: Span
    name: str
    arguments: "Sequence[Expression]"
    expands: bool


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    span: Span
    operator: str
    of: "Expression"


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    span: Span
    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    """In a template (`%{ if }`) the two need not be of one type."""

    span: Span
    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"


@dataclass(frozen=True, slots=True, eq=False)
class MakeTuple:
    span: Span
    items: "Sequence[Expression]"


@dataclass(frozen=True, slots=True, eq=False)
class MakeObject:
    span: Span
    items: "Sequence[tuple[Expression, Expression]]"


@dataclass(frozen=True, slots=True, eq=False)
class For:
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


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """`span` is that of the name."""

    name: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """`TYPE "LABEL" { … }`; `span` is what stands before the brace."""

    type: str
    labels: tuple[str, ...]
    body: "Body"
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    blocks: Sequence[Block] = ()

    def of_type(self, name: str) -> Iterator[Block]:
        return (block for block in self.blocks if block.type == name)
