"""Types as variables declare them: `string`, `list(number)`, `object({ name = string })`.

https://github.com/hashicorp/hcl/blob/main/ext/typeexpr/README.md
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from amphora.bake.hcl.expressions import keyword_of
from amphora.bake.hcl.syntax import Call, Expression, MakeObject, MakeTuple
from amphora.bake.hcl.values import (
    HclSet,
    Value,
    to_bool,
    to_list,
    to_number,
    to_object,
    to_text,
)

_PRIMITIVE = ("string", "number", "bool")
_OF_ONE = ("list", "set", "map")


class Type(Struct, frozen=True):
    """`of` is the type of all elements, `items` that of each, `attributes` by their names."""

    name: str
    of: "Type | None" = None
    items: "Sequence[Type]" = ()
    attributes: "Mapping[str, Type]" = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    @property
    def primitive(self) -> bool:
        return self.name in _PRIMITIVE

    def __str__(self) -> str:
        if self.of is not None:
            return f"{self.name}({self.of})"
        if self.name == "tuple":
            return f"tuple([{', '.join(map(str, self.items))}])"
        if self.name == "object":
            inner = ", ".join(f"{key} = {each}" for key, each in self.attributes.items())
            return f"object({{{inner}}})"
        return self.name


def read_type(expression: Expression) -> Type:
    """The type that an expression spells; raises BakeError."""
    word = keyword_of(expression)
    if word in (*_PRIMITIVE, "any"):
        return Type(word)
    if isinstance(expression, Call) and len(expression.arguments) == 1:
        [inner] = expression.arguments
        if expression.name in _OF_ONE:
            return Type(expression.name, of=read_type(inner))
        if expression.name == "tuple" and isinstance(inner, MakeTuple):
            return Type("tuple", items=[read_type(item) for item in inner.items])
        if expression.name == "object" and isinstance(inner, MakeObject):
            return _object(inner)
    raise expression.span.error(
        "this is no type",
        why="types are string, number, bool, any, list(…), set(…), map(…), tuple([…]), object({…})",
        fix="write one of them",
    )


def _object(spelled: MakeObject) -> Type:
    attributes: dict[str, Type] = {}
    optional: set[str] = set()
    for key, value in spelled.items:
        name = keyword_of(key)
        if isinstance(value, Call) and value.name == "optional" and value.arguments:
            optional.add(name)
            attributes[name] = read_type(value.arguments[0])
        else:
            attributes[name] = read_type(value)
    return Type("object", attributes=attributes, optional=frozenset(optional))


def convert(value: Value, wanted: Type) -> Value:
    """A value as one of a type; raises ValueError if it cannot be one."""
    if value is None or wanted.name == "any":
        return value
    return _CONVERSIONS[wanted.name](value, wanted)


def _as_list(value: Value, wanted: Type) -> tuple[Value, ...]:
    return tuple(convert(item, wanted.of or Type("any")) for item in to_list(value))


def _as_map(value: Value, wanted: Type) -> Value:
    of = wanted.of or Type("any")
    return {key: convert(item, of) for key, item in to_object(value).items()}


def _as_tuple(value: Value, wanted: Type) -> Value:
    items = to_list(value)
    if len(items) != len(wanted.items):
        raise ValueError(f"{len(wanted.items)} elements are required, and it has {len(items)}")
    return tuple(map(convert, items, wanted.items))


def _as_object(value: Value, wanted: Type) -> Value:
    given = to_object(value)
    missing = wanted.attributes.keys() - given.keys() - wanted.optional
    if missing:
        raise ValueError(f"the attribute {min(missing)!r} is required")
    return {name: convert(given.get(name), each) for name, each in wanted.attributes.items()}


_CONVERSIONS: Mapping[str, Callable[[Value, Type], Value]] = {
    "string": lambda value, _: to_text(value),
    "number": lambda value, _: to_number(value),
    "bool": lambda value, _: to_bool(value),
    "list": _as_list,
    "set": lambda value, wanted: HclSet.of(_as_list(value, wanted)),
    "map": _as_map,
    "tuple": _as_tuple,
    "object": _as_object,
}


def inferred(value: Value) -> Type | None:
    """The type of a variable that declares none, by its default; None if it says nothing."""
    match value:
        case bool():
            return Type("bool")
        case str():
            return Type("string")
        case None | tuple() | Mapping():
            return None
    return Type("number")
