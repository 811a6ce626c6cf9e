"""A function: what it takes, and how its arguments become that.

https://github.com/zclconf/go-cty/blob/main/docs/functions.md
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from amphora.bake.hcl.values import (
    Value,
    to_bool,
    to_integer,
    to_list,
    to_number,
    to_object,
    to_text,
)


def _any(value: Value) -> Value:
    return value


def _given(value: Value) -> Value:
    if value is None:
        raise ValueError("an argument is null")
    return value


#: Kinds of parameters: what becomes of an argument before the function gets it.
TEXT: Callable[[Value], Any] = to_text
NUMBER: Callable[[Value], Any] = to_number
WHOLE: Callable[[Value], Any] = to_integer
TRUTH: Callable[[Value], Any] = to_bool
LIST: Callable[[Value], Any] = to_list
OBJECT: Callable[[Value], Any] = to_object
GIVEN: Callable[[Value], Any] = _given
ANY: Callable[[Value], Any] = _any


class Function(Struct, frozen=True):
    """`rest` is the kind of all further arguments; the last `optional` may be left out."""

    body: Callable[..., Value]
    parameters: Sequence[Callable[[Value], Any]] = ()
    rest: Callable[[Value], Any] | None = None
    optional: int = 0

    def call(self, *arguments: Value) -> Value:
        """Raises ValueError for arguments that it does not take, ArithmeticError, too."""
        most, least = len(self.parameters), len(self.parameters) - self.optional
        if len(arguments) < least or (self.rest is None and len(arguments) > most):
            wanted = str(least) if least == most else f"{least} to {most}"
            more = " or more" if self.rest else ""
            raise ValueError(f"it takes {wanted}{more} arguments, and {len(arguments)} are given")
        kinds = [*self.parameters, *[self.rest or _any] * (len(arguments) - most)]
        read = []
        for place, (kind, argument) in enumerate(zip(kinds, arguments, strict=False), start=1):
            try:
                read.append(kind(argument))
            except ValueError as error:
                raise ValueError(f"argument {place}: {error}") from error
        return self.body(*read)


Functions = Mapping[str, Function]
