"""Functions of numbers and truth values.

https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
"""

import math
import string
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from amphora.bake.hcl.functions.function import ANY, NUMBER, TEXT, TRUTH, WHOLE, Function, Functions
from amphora.bake.hcl.values import NUMBERS, Value, equal, number

_DIGITS = string.digits + string.ascii_lowercase + string.ascii_uppercase
_ANY_CASE = 36


def _parse_integer(text: str, base: int) -> Value:
    if not 2 <= base <= len(_DIGITS):
        raise ValueError(f"a base is between 2 and {len(_DIGITS)}")
    negative, digits = text.startswith("-"), text.removeprefix("-")
    if base <= _ANY_CASE:
        digits = digits.lower()
    if not digits or any(digit not in _DIGITS[:base] for digit in digits):
        raise ValueError(f"{text[:40]!r} is no number of base {base}")
    found = 0
    for digit in digits:
        found = found * base + _DIGITS.index(digit)
    return number(-found if negative else found)


def _logarithm(value: Decimal, base: Decimal) -> Value:
    if value <= 0 or base <= 0:
        raise ValueError("only numbers above 0 have a logarithm")
    return number(Decimal(repr(math.log(value, base))))


def _signum(value: Decimal) -> Value:
    return number((value > 0) - (value < 0))


def _least(*values: Decimal) -> Value:
    return min(values)


def _greatest(*values: Decimal) -> Value:
    return max(values)


NUMERIC: Functions = {
    "absolute": Function(abs, (NUMBER,)),
    "add": Function(NUMBERS.add, (NUMBER, NUMBER)),
    "and": Function(lambda one, other: one and other, (TRUTH, TRUTH)),
    "ceil": Function(lambda value: value.to_integral_value(ROUND_CEILING), (NUMBER,)),
    "divide": Function(NUMBERS.divide, (NUMBER, NUMBER)),
    "equal": Function(equal, (ANY, ANY)),
    "floor": Function(lambda value: value.to_integral_value(ROUND_FLOOR), (NUMBER,)),
    "greaterthan": Function(lambda one, other: one > other, (NUMBER, NUMBER)),
    "greaterthanorequalto": Function(lambda one, other: one >= other, (NUMBER, NUMBER)),
    "int": Function(lambda value: value.to_integral_value(ROUND_DOWN), (NUMBER,)),
    "lessthan": Function(lambda one, other: one < other, (NUMBER, NUMBER)),
    "lessthanorequalto": Function(lambda one, other: one <= other, (NUMBER, NUMBER)),
    "log": Function(_logarithm, (NUMBER, NUMBER)),
    "max": Function(_greatest, (NUMBER,), rest=NUMBER),
    "min": Function(_least, (NUMBER,), rest=NUMBER),
    "modulo": Function(NUMBERS.remainder, (NUMBER, NUMBER)),
    "multiply": Function(NUMBERS.multiply, (NUMBER, NUMBER)),
    "negate": Function(NUMBERS.minus, (NUMBER,)),
    "not": Function(lambda value: not value, (TRUTH,)),
    "notequal": Function(lambda one, other: not equal(one, other), (ANY, ANY)),
    "or": Function(lambda one, other: one or other, (TRUTH, TRUTH)),
    "parseint": Function(_parse_integer, (TEXT, WHOLE)),
    "pow": Function(NUMBERS.power, (NUMBER, NUMBER)),
    "signum": Function(_signum, (NUMBER,)),
    "subtract": Function(NUMBERS.subtract, (NUMBER, NUMBER)),
}
