"""Variables of a bake file: their types, where their values come from, what they must fulfil.

https://docs.docker.com/build/bake/variables/
"""

import csv
from collections.abc import Callable, Mapping

from msgspec import Struct

from amphora.bake.hcl.evaluate import Scope, evaluate
from amphora.bake.hcl.syntax import Block, Expression
from amphora.bake.hcl.types import Type, convert, inferred, read_type
from amphora.bake.hcl.values import Value, decode, encode, to_bool, to_text

#: Looks a name up that the user set: --var, or the environment.
Lookup = Callable[[str], str | None]

#: Truth values as Go's strconv.ParseBool reads them.
_TRUTH = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}

#: With this at its end, a name has the variable's value as JSON.
_JSON = "_JSON"

_KNOWN = frozenset({"default", "type", "description"})


class Listed(Struct, frozen=True):
    """A variable as `--list variables` shows it; `value` is None for null."""

    name: str
    type: str
    value: str | None
    description: str


class Variable(Struct, frozen=True, eq=False):
    """One `variable` block; `type` is the one that is declared."""

    name: str
    block: Block
    type: Type | None
    default: Expression | None

    @classmethod
    def of(cls, block: Block) -> "Variable":
        """Raises BakeError for what a variable does not have."""
        attributes = block.body.attributes
        for name, attribute in attributes.items():
            if name not in _KNOWN:
                raise attribute.span.error(
                    f"a variable has no {name!r}",
                    why="it has default, type, description, and validation blocks",
                    fix="remove it",
                )
        declared = attributes.get("type")
        default = attributes.get("default")
        return cls(
            block.labels[0],
            block,
            read_type(declared.value) if declared else None,
            default.value if default else None,
        )

    def value(self, scope: Scope, lookup: Lookup, others: Mapping[str, object]) -> Value:
        """What it is: what the user set, or else its default. Raises BakeError.

        `others` are the names of all variables: NAME_JSON may be one itself.
        """
        value = None if self.default is None else evaluate(self.default, scope)
        if self.type is not None and self.default is not None:
            with self.default.span.explain(f"the default of {self.name} is of another type"):
                value = convert(value, self.type)
        given = self._given(lookup, others)
        if given is not None:
            with self.block.span.explain(
                f"{self.name} cannot be what it is set to", f"set {self.name} to another value"
            ):
                return self._read(*given, value)
        return "" if self.default is None and self.type is None else value

    def _given(self, lookup: Lookup, others: Mapping[str, object]) -> tuple[str, bool] | None:
        """What the user set, and whether that is JSON; of lists and objects JSON comes first."""
        plain = lookup(self.name)
        name = f"{self.name}{_JSON}"
        spelled = lookup(name) if self.type is not None and name not in others else None
        collects = self.type is not None and not self.type.primitive
        if spelled is not None and (collects or plain is None):
            return spelled, True
        return None if plain is None else (plain, False)

    def _read(self, text: str, as_json: bool, default: Value) -> Value:
        wanted = self.type or inferred(default)
        if as_json:
            return convert(decode(text), wanted or Type("any"))
        if wanted is None and default is None:
            return text
        if wanted is None:
            raise ValueError("only variables with a type can be lists or objects: add `type`")
        if wanted.name == "bool":
            return _truth(text)
        if wanted.name in {"list", "set", "tuple"}:
            return convert(_items(text, wanted), wanted)
        if wanted.name in {"map", "object"}:
            raise ValueError(f"a {wanted.name} is given as JSON: set {self.name}{_JSON}")
        return convert(text, wanted)

    def check(self, scope: Scope) -> None:
        """Raises BakeError if one of its validations does not hold."""
        for block in self.block.body.of_type("validation"):
            attributes = block.body.attributes
            condition, message = attributes.get("condition"), attributes.get("error_message")
            if condition is None or message is None:
                raise block.span.error(
                    "this validation is not complete",
                    why="it has a condition and an error_message",
                    fix="add the one that is missing",
                )
            holds = evaluate(condition.value, scope)
            with condition.value.span.explain("this cannot be a condition"):
                if to_bool(holds):
                    continue
            why = evaluate(message.value, scope)
            raise condition.value.span.error(
                f"{self.name} is not valid",
                why=why if isinstance(why, str) else encode(why),
                fix=f"set {self.name} to another value",
            )

    def listed(self, value: Value, scope: Scope) -> Listed:
        described = self.block.body.attributes.get("description")
        text = None
        if value is not None:
            text = to_text(value) if isinstance(value, str | bool) else encode(value)
        return Listed(
            self.name,
            str(self.type or inferred(value) or ""),
            text,
            to_text(evaluate(described.value, scope)) if described else "",
        )


def _truth(text: str) -> bool:
    if text not in _TRUTH:
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return _TRUTH[text]


def _items(text: str, wanted: Type) -> Value:
    """Texts with commas between; nothing is an empty list."""
    inner = wanted.items if wanted.name == "tuple" else [wanted.of or Type("any")]
    if not all(each.primitive or each.name == "any" for each in inner):
        raise ValueError(f"a {wanted} is given as JSON")
    try:
        row = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error
    kinds = wanted.items if wanted.name == "tuple" else [inner[0]] * len(row)
    if len(kinds) != len(row):
        return tuple(row)  # The conversion says how many there have to be.
    return tuple(
        _truth(item) if kind.name == "bool" else item for item, kind in zip(row, kinds, strict=True)
    )
