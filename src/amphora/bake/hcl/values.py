"""Values of HCL: null, truth, text, numbers, lists, sets and objects.

https://github.com/hashicorp/hcl/blob/main/spec.md#schema-agnostic-information-model. A list
and a tuple are one here, and so are a map and an object: nothing of bake tells them apart.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from types import NoneType, UnionType
from typing import Any, TypeAlias

Value: TypeAlias = "bool | str | Decimal | tuple[Value, ...] | Mapping[str, Value] | None"

#: Numbers have the precision of go-cty (512 bits), and not more digits than a machine can hold.
NUMBERS = Context(
    prec=154, Emax=4096, Emin=-4096, traps=[InvalidOperation, DivisionByZero, Overflow]
)

#: No text that a bake file needs is longer.
_LONGEST = 16 << 20

#: What Go's encoding/json writes in another way, so that it can stand in a page of HTML.
_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


class HclSet(tuple[Value, ...]):
    """A set: every element once, in an order that depends on nothing else."""

    __slots__ = ()

    @classmethod
    def of(cls, values: Iterable[Value]) -> "HclSet":
        return cls(sorted(distinct(values), key=_order))


def _order(value: Value) -> tuple[str, Decimal, str]:
    """Numbers by their size, anything else by how it is written."""
    size = value if isinstance(value, Decimal) else Decimal(0)
    return type_name(value), size, encode(value)


def number(value: int | str | Decimal) -> Decimal:
    """A number in our precision; raises ValueError."""
    try:
        found = NUMBERS.create_decimal(value)
    except ArithmeticError as error:
        raise ValueError(f"{str(value)[:40]!r} is not a number that can be worked with") from error
    if not found.is_finite():
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    return found


#: What messages call a value, by its class; the first that fits.
_NAMES: Sequence[tuple[type | UnionType, str]] = (
    (NoneType, "null"),
    (bool, "bool"),
    (str, "string"),
    (Decimal, "number"),
    (HclSet, "set"),
    (tuple, "list"),
    (Mapping, "object"),
)


def type_name(value: Value) -> str:
    """What a value is, as messages call it."""
    return next(name for kind, name in _NAMES if isinstance(value, kind))


def number_text(value: Decimal) -> str:
    """Without exponent and without zeros that say nothing."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def to_text(value: Value) -> str:
    """A text, or what a number or a truth value is as one; raises ValueError."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
    raise mismatch(value, "a string")


def to_number(value: Value) -> Decimal:
    """A number, or the one that a text spells; raises ValueError."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        try:
            return number(value)
        except ValueError as error:
            raise ValueError(f"a number is required, and {value[:40]!r} is none") from error
    raise mismatch(value, "a number")


def to_integer(value: Value) -> int:
    """A whole number; raises ValueError."""
    found = to_number(value)
    if found != found.to_integral_value():
        raise ValueError(f"a whole number is required, and {number_text(found)} is none")
    return int(found)


def to_bool(value: Value) -> bool:
    """A truth value, or the one that a text spells; raises ValueError."""
    if isinstance(value, bool):
        return value
    spelled = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str) and value in spelled:
        return spelled[value]
    raise mismatch(value, "true or false")


def to_list(value: Value) -> tuple[Value, ...]:
    """The elements of a list or a set; raises ValueError."""
    if isinstance(value, tuple):
        return value
    raise mismatch(value, "a list")


def to_object(value: Value) -> Mapping[str, Value]:
    """An object; raises ValueError."""
    if isinstance(value, Mapping):
        return value
    raise mismatch(value, "an object")


def equal(one: Value, other: Value) -> bool:
    """Of the same type and the same value; `1` is not `"1"`."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return type_name(one) == type_name(other) and one == other


def distinct(values: Iterable[Value]) -> list[Value]:
    """Every value once, where it came first."""
    return list({f"{type_name(value)} {encode(value)}": value for value in values}.values())


def bounded(text: str) -> str:
    """The text; raises ValueError if it has grown beyond what is sensible."""
    if len(text) > _LONGEST:
        raise ValueError(f"the text is longer than {_LONGEST} characters")
    return text


def to_plain(value: Value) -> Any:
    """The value as Python's own, for JSON."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case tuple():
            return [to_plain(item) for item in value]
        case Mapping():
            return {key: to_plain(item) for key, item in value.items()}
    return value


def of_plain(value: Any) -> Value:
    """What was read from JSON, or from YAML, as a value of ours."""
    match value:
        case None | bool() | str():
            return value
        case int() | float() | Decimal():
            return number(Decimal(str(value)))
        case list() | tuple():
            return tuple(map(of_plain, value))
        case dict():
            return {str(key): of_plain(item) for key, item in value.items()}
    raise ValueError(f"{type(value).__name__} is no type of bake files")


def encode(value: Value) -> str:
    """JSON on one line, keys sorted, as go-cty writes it."""
    text = json.dumps(to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPED)


def decode(text: str) -> Value:
    """What a JSON document says; raises ValueError."""
    try:
        return of_plain(json.loads(text, parse_float=Decimal, parse_int=Decimal))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def mismatch(value: Value, wanted: str) -> ValueError:
    """The error for a value that is not of the type that is wanted."""
    given = "it is null" if value is None else f"this is a {type_name(value)}"
    return ValueError(f"{wanted} is required, and {given}")
