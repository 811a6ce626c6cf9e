"""Functions of lists, sets and objects.

https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

from amphora.bake.hcl.functions.function import (
    ANY,
    GIVEN,
    LIST,
    NUMBER,
    OBJECT,
    TEXT,
    WHOLE,
    Function,
    Functions,
)
from amphora.bake.hcl.values import (
    NUMBERS,
    HclSet,
    Value,
    distinct,
    equal,
    mismatch,
    number,
    to_integer,
    to_list,
    to_object,
    to_text,
)

_Items = tuple[Value, ...]

#: As in go-cty: a longer range is a mistake.
_LONGEST_RANGE = 1024
_MOST_PRODUCTS = 100_000


def _has(items: _Items, value: Value) -> bool:
    return any(equal(item, value) for item in items)


def _coalesce(*values: Value) -> Value:
    found = [value for value in values if value is not None]
    if not found:
        raise ValueError("all arguments are null")
    return found[0]


def _coalesce_lists(*lists: _Items) -> Value:
    found = [items for items in lists if items]
    if not found:
        raise ValueError("all lists are empty")
    return found[0]


def _chunks(items: _Items, size: int) -> Value:
    if size < 0:
        raise ValueError("a size is not negative")
    size = size or max(1, len(items))
    return tuple(items[at : at + size] for at in range(0, len(items), size))


def _flattened(items: _Items) -> Iterator[Value]:
    for item in items:
        if isinstance(item, tuple):
            yield from _flattened(item)
        else:
            yield item


def _element(items: _Items, index: int) -> Value:
    if not items:
        raise ValueError("the list is empty")
    return items[index % len(items)]


def _index(collection: Value, key: Value) -> Value:
    if isinstance(collection, Mapping):
        name = to_text(key)
        if name not in collection:
            raise ValueError(f"there is no key {name!r}")
        return collection[name]
    items, place = to_list(collection), to_integer(key)
    if not 0 <= place < len(items):
        raise ValueError(f"there is no element {place}")
    return items[place]


def _has_index(collection: Value, key: Value) -> Value:
    try:
        _index(collection, key)
    except ValueError:
        return False
    return True


def _index_of(items: _Items, value: Value) -> Value:
    for place, item in enumerate(items):
        if equal(item, value):
            return number(place)
    raise ValueError("the list does not have this element")


def _length(collection: Value) -> Value:
    if not isinstance(collection, tuple | Mapping):
        raise mismatch(collection, "a list or an object (strlen() is for texts)")
    return number(len(collection))


def _merge(*objects: Value) -> Value:
    merged: dict[str, Value] = {}
    for each in objects:
        merged.update({} if each is None else to_object(each))
    return merged


def _range(*bounds: Decimal) -> Value:
    start, end = (number(0), bounds[0]) if len(bounds) == 1 else bounds[:2]
    step = bounds[2] if len(bounds) == 3 else number(1 if start <= end else -1)
    if step == 0 or (step > 0) != (start <= end):
        raise ValueError("this step does not lead from the start to the end")
    count = math.ceil(NUMBERS.divide(NUMBERS.subtract(end, start), step))
    if count > _LONGEST_RANGE:
        raise ValueError(f"a range has {_LONGEST_RANGE} numbers at most")
    return tuple(NUMBERS.fma(step, number(at), start) for at in range(count))


def _product(*lists: _Items) -> Value:
    if math.prod(map(len, lists)) > _MOST_PRODUCTS:
        raise ValueError(f"there are more than {_MOST_PRODUCTS} combinations")
    found = tuple(itertools.product(*lists))
    return HclSet.of(found) if all(isinstance(items, HclSet) for items in lists) else found


def _union(*lists: _Items) -> Value:
    return HclSet.of(itertools.chain.from_iterable(lists))


def _intersection(first: _Items, *others: _Items) -> Value:
    return HclSet.of(item for item in first if all(_has(items, item) for items in others))


def _subtraction(one: _Items, other: _Items) -> Value:
    return HclSet.of(item for item in one if not _has(other, item))


def _difference(first: _Items, *others: _Items) -> Value:
    """What is in an odd number of them."""
    found = first
    for other in others:
        only = [item for item in found if not _has(other, item)]
        found = (*only, *(item for item in other if not _has(found, item)))
    return HclSet.of(found)


def _slice(items: _Items, start: int, end: int) -> Value:
    if not 0 <= start <= end <= len(items):
        raise ValueError(f"the list has {len(items)} elements")
    return items[start:end]


def _zip(keys: _Items, values: _Items) -> Value:
    if len(keys) != len(values):
        raise ValueError("keys and values are not of one number")
    return dict(zip(map(to_text, keys), values, strict=True))


COLLECTIVE: Functions = {
    "chunklist": Function(_chunks, (LIST, WHOLE)),
    "coalesce": Function(_coalesce, (ANY,), rest=ANY),
    "coalescelist": Function(_coalesce_lists, (LIST,), rest=LIST),
    "compact": Function(
        lambda items: tuple(item for item in items if item not in ("", None)), (LIST,)
    ),
    "concat": Function(lambda *lists: tuple(itertools.chain(*lists)), (LIST,), rest=LIST),
    "contains": Function(_has, (LIST, ANY)),
    "distinct": Function(lambda items: tuple(distinct(items)), (LIST,)),
    "element": Function(_element, (LIST, WHOLE)),
    "flatten": Function(lambda items: tuple(_flattened(items)), (LIST,)),
    "hasindex": Function(_has_index, (GIVEN, ANY)),
    "index": Function(_index, (GIVEN, ANY)),
    "indexof": Function(_index_of, (LIST, ANY)),
    "keys": Function(lambda value: tuple(sorted(value)), (OBJECT,)),
    "length": Function(_length, (GIVEN,)),
    "lookup": Function(lambda value, key, other: value.get(key, other), (OBJECT, TEXT, ANY)),
    "merge": Function(_merge, rest=ANY),
    "range": Function(_range, (NUMBER, NUMBER, NUMBER), optional=2),
    "reverselist": Function(lambda items: items[::-1], (LIST,)),
    "sethaselement": Function(_has, (LIST, ANY)),
    "setintersection": Function(_intersection, (LIST,), rest=LIST),
    "setproduct": Function(_product, (LIST,), rest=LIST),
    "setsubtract": Function(_subtraction, (LIST, LIST)),
    "setsymmetricdifference": Function(_difference, (LIST,), rest=LIST),
    "setunion": Function(_union, (LIST,), rest=LIST),
    "slice": Function(_slice, (LIST, WHOLE, WHOLE)),
    "sort": Function(lambda items: tuple(sorted(map(to_text, items))), (LIST,)),
    "values": Function(lambda value: tuple(value[key] for key in sorted(value)), (OBJECT,)),
    "zipmap": Function(_zip, (LIST, LIST)),
}
