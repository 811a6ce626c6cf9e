"""What an expression comes to.

https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#expressions
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Protocol

from amphora.bake.hcl.functions.function import Function
from amphora.bake.hcl.source import Span
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
    Template,
    Unary,
    Variable,
)
from amphora.bake.hcl.types import convert, read_type
from amphora.bake.hcl.values import (
    NUMBERS,
    HclSet,
    Value,
    bounded,
    equal,
    to_bool,
    to_integer,
    to_list,
    to_number,
    to_text,
    type_name,
)
from amphora.core.errors import BakeError

_ARITHMETIC: Mapping[str, Callable[..., Value]] = {
    "+": NUMBERS.add,
    "-": NUMBERS.subtract,
    "*": NUMBERS.multiply,
    "/": NUMBERS.divide,
    "%": NUMBERS.remainder,
}
_COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}


class Scope(Protocol):
    """What names mean where an expression stands."""

    def variable(self, name: str, span: Span) -> Value:
        """Its value; raises BakeError at `span` if there is none."""
        ...

    def function(self, name: str, span: Span) -> Function:
        """The function of that name; raises BakeError at `span` if there is none."""
        ...


class Inner:
    """A scope with a few names more."""

    def __init__(self, outer: Scope, values: Mapping[str, Value]) -> None:
        self._outer = outer
        self._values = values

    def variable(self, name: str, span: Span) -> Value:
        return self._values[name] if name in self._values else self._outer.variable(name, span)

    def function(self, name: str, span: Span) -> Function:
        return self._outer.function(name, span)


def evaluate(expression: Expression, scope: Scope) -> Value:
    """The value of an expression. Raises BakeError at the part that has none."""
    match expression:
        case Literal(_, value):
            return value
        case Variable(span, name):
            return scope.variable(name, span)
        case Template(span, parts):
            return _join(span, (_inserted(part, scope) for part in parts))
        case MakeTuple() | MakeObject() | For():
            return _collection(expression, scope)
        case GetAttribute() | Index() | Splat():
            return _looked_up(expression, scope)
    return _worked_out(expression, scope)


def _collection(expression: MakeTuple | MakeObject | For, scope: Scope) -> Value:
    match expression:
        case MakeTuple(_, items):
            return tuple(evaluate(item, scope) for item in items)
        case MakeObject(_, pairs):
            return {_key(key, scope): evaluate(value, scope) for key, value in pairs}
    return _for(expression, scope)


def _looked_up(expression: GetAttribute | Index | Splat, scope: Scope) -> Value:
    match expression:
        case GetAttribute(span, of, name):
            return _attribute(span, evaluate(of, scope), name)
        case Index(span, of, key):
            return _element(span, evaluate(of, scope), evaluate(key, scope))
    return _splat(expression, scope)


def _worked_out(expression: Call | Unary | Binary | Conditional, scope: Scope) -> Value:
    match expression:
        case Call():
            return _call(expression, scope)
        case Conditional():
            return _conditional(expression, scope)
    return _operation(expression, scope)


def unknown(span: Span, kind: str, name: str, known: Iterable[str], fix: str) -> BakeError:
    """The error for a name that means nothing, with the one that may have been meant."""
    close = get_close_matches(name, list(known), n=1)
    return span.error(
        f"there is no {kind} {name!r}",
        why="no file defines it",
        fix=f"did you mean {close[0]!r}?" if close else fix,
    )


def _inserted(part: Expression, scope: Scope) -> str:
    value = evaluate(part, scope)
    with part.span.explain("this cannot be inserted into a text"):
        return to_text(value)


def _join(span: Span, texts: Iterable[str]) -> str:
    with span.explain("this cannot be put together"):
        return bounded("".join(texts))


def _key(expression: Expression, scope: Scope) -> str:
    value = evaluate(expression, scope)
    with expression.span.explain("this cannot be a key"):
        return to_text(value)


def _attribute(span: Span, value: Value, name: str) -> Value:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise unknown(span, "attribute", name, value, f"it has {', '.join(value) or 'none'}")
    raise span.error(
        f"{name!r} cannot be looked up",
        why=f"it is looked for in a {type_name(value)}, and only objects have attributes",
        fix="correct the part that is marked",
    )


def _element(span: Span, value: Value, key: Value) -> Value:
    with span.explain("there is no such element"):
        if isinstance(value, Mapping):
            return _attribute(span, value, to_text(key))
        items, index = to_list(value), to_integer(key)
        if isinstance(value, HclSet) or not 0 <= index < len(items):
            raise ValueError(f"the {type_name(value)} has no element {index}, counted from 0")
        return items[index]


def _splat(splat: Splat, scope: Scope) -> Value:
    value = evaluate(splat.of, scope)
    items = value if isinstance(value, tuple) else () if value is None else (value,)
    return tuple(evaluate(splat.each, Inner(scope, {splat.item.name: item})) for item in items)


def _operation(operation: Unary | Binary, scope: Scope) -> Value:
    sign = operation.operator
    if isinstance(operation, Unary):
        value = evaluate(operation.of, scope)
        with operation.span.explain(f"`{sign}` cannot be applied"):
            return NUMBERS.minus(to_number(value)) if sign == "-" else not to_bool(value)
    left, right = evaluate(operation.left, scope), evaluate(operation.right, scope)
    if sign in {"==", "!="}:
        return equal(left, right) == (sign == "==")
    with operation.span.explain(f"`{sign}` cannot be applied"):
        if sign in {"&&", "||"}:
            both = (to_bool(left), to_bool(right))
            return all(both) if sign == "&&" else any(both)
        if sign in _COMPARISONS:
            return _COMPARISONS[sign](to_number(left), to_number(right))
        return calculated(_ARITHMETIC[sign], to_number(left), to_number(right))


def calculated(function: Callable[..., Value], *numbers: Value) -> Value:
    """What a function of numbers comes to; raises ValueError where that is no number."""
    try:
        return function(*numbers)
    except ZeroDivisionError as error:
        raise ValueError("nothing can be divided by zero") from error
    except ArithmeticError as error:
        raise ValueError("the result is no number that can be worked with") from error


def _conditional(expression: Conditional, scope: Scope) -> Value:
    condition = evaluate(expression.condition, scope)
    with expression.condition.span.explain("this cannot be a condition"):
        chosen = to_bool(condition)
    branches = (expression.then, expression.otherwise)
    value = evaluate(branches[0 if chosen else 1], scope)
    if isinstance(value, str) or value is None:
        return value
    try:
        other = evaluate(branches[1 if chosen else 0], scope)
    except BakeError:
        return value  # What is not chosen may be wrong.
    return _unified(expression.span, value, other)


def _unified(span: Span, value: Value, other: Value) -> Value:
    """The value in a type that both have: beside a text, numbers are texts."""
    one, two = type_name(value), type_name(other)
    if one == two or other is None or {one, two} <= {"list", "set"}:
        return value
    if two == "string" and one in {"number", "bool"}:
        return to_text(value)
    raise span.error(
        "the two values are not of one type",
        why=f"one is a {one}, the other a {two}",
        fix="give values of one type before and after the colon",
    )


def _for(expression: For, scope: Scope) -> Value:
    found: list[Value] = []
    named: dict[str, Value] = {}
    for key, value in _pairs(expression.over, scope):
        names = expression.names
        inner = Inner(scope, dict(zip(names, (key, value)[-len(names) :], strict=True)))
        if expression.condition is not None and not _holds(expression.condition, inner):
            continue
        item = evaluate(expression.value, inner)
        if expression.key is None:
            found.append(item)
            continue
        name = _key(expression.key, inner)
        before = named.get(name)
        if expression.grouped:
            named[name] = (*before, item) if isinstance(before, tuple) else (item,)
            continue
        if name in named:
            raise expression.key.span.error(
                f"the key {name!r} comes twice",
                why="an object has every key once",
                fix="write ... after the value to have all of them as a list",
            )
        named[name] = item
    if expression.joined:
        return _join(expression.span, map(to_text, found))
    return tuple(found) if expression.key is None else named


def _pairs(over: Expression, scope: Scope) -> Iterable[tuple[Value, Value]]:
    value = evaluate(over, scope)
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, HclSet):
        return [(item, item) for item in value]
    if isinstance(value, tuple):
        return [(NUMBERS.create_decimal(index), item) for index, item in enumerate(value)]
    raise over.span.error(
        "this cannot be gone through",
        why=f"it is a {type_name(value)}, and not a list, a set or an object",
        fix="correct the part that is marked",
    )


def _holds(condition: Expression, scope: Scope) -> bool:
    value = evaluate(condition, scope)
    with condition.span.explain("this cannot be a condition"):
        return to_bool(value)


def _call(call: Call, scope: Scope) -> Value:
    if call.name in _UNEVALUATED:
        return _UNEVALUATED[call.name](call, scope)
    function = scope.function(call.name, call.span)
    arguments = [evaluate(argument, scope) for argument in call.arguments]
    with call.span.explain(f"{call.name}() cannot be called so"):
        if call.expands:
            arguments.extend(to_list(arguments.pop()))
        return calculated(function.call, *arguments)


def _try(call: Call, scope: Scope) -> Value:
    """The first argument that has a value."""
    failed: BakeError | None = None
    for argument in call.arguments:
        try:
            return evaluate(argument, scope)
        except BakeError as error:
            failed = error
    if failed is None:
        raise call.span.error("try() needs arguments", why="it tries them", fix="give some")
    raise failed


def _can(call: Call, scope: Scope) -> Value:
    """Has the argument a value?"""
    [argument] = _only(call, 1)
    try:
        evaluate(argument, scope)
    except BakeError:
        return False
    return True


def _convert(call: Call, scope: Scope) -> Value:
    """The first argument as the type that the second one spells."""
    value, spelled = _only(call, 2)
    wanted = read_type(spelled)
    found = evaluate(value, scope)
    with value.span.explain("this cannot be converted"):
        return convert(found, wanted)


def _only(call: Call, count: int) -> list[Expression]:
    if len(call.arguments) != count:
        raise call.span.error(
            f"{call.name}() takes {count} argument{'s' if count > 1 else ''}",
            why=f"{len(call.arguments)} are given",
            fix="correct the part that is marked",
        )
    return list(call.arguments)


#: Functions to which it matters whether their arguments have a value.
_UNEVALUATED: Mapping[str, Callable[[Call, Scope], Value]] = {
    "try": _try,
    "can": _can,
    "convert": _convert,
}
