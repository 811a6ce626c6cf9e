"""What HCL files define together, each thing worked out when something asks for it.

https://docs.docker.com/build/bake/reference/
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from amphora.bake.hcl.evaluate import Inner, Scope, evaluate, unknown
from amphora.bake.hcl.expressions import keyword_of
from amphora.bake.hcl.functions.function import Function
from amphora.bake.hcl.functions.library import ABSENT, LIBRARY
from amphora.bake.hcl.source import DEEPEST, Span
from amphora.bake.hcl.syntax import Attribute, Block, Body, MakeTuple
from amphora.bake.hcl.values import Value, of_plain, to_list, to_object, to_text
from amphora.bake.target import FIELDS, Configuration, Group, Target
from amphora.bake.variables import Listed, Lookup, Variable

T = TypeVar("T")

_BLOCKS = ("variable", "function", "group", "target")
_NAME = re.compile(r"[a-zA-Z0-9_-]+")


class Definitions:
    """All files' blocks and attributes; the scope of all their expressions."""

    def __init__(self, bodies: Sequence[Body], builtin: Mapping[str, str], lookup: Lookup) -> None:
        """`builtin` are variables that no file defines. Raises BakeError for unknown blocks."""
        self._lookup = lookup
        self._values: dict[str, Value] = dict(builtin)
        self._attributes: dict[str, Attribute] = {}
        self._variables: dict[str, Variable] = {}
        self._functions: dict[str, Block] = {}
        self._made: dict[str, Function] = {}
        self._forms: list[_Form] = []
        self._fields: dict[tuple[int, str], Any] = {}
        self._under_way: list[object] = []
        self._blocks = [block for body in bodies for block in body.blocks]
        for body in bodies:
            self._attributes.update(body.attributes)
        for block in self._blocks:
            _check(block)
            if block.type == "variable" and block.labels[0] not in builtin:
                self._variables[block.labels[0]] = Variable.of(block)
            elif block.type == "function":
                self._functions[block.labels[0]] = block

    def configuration(self, below: Configuration) -> Configuration:
        """All targets and groups, added to those of compose files. Raises BakeError."""
        for variable in self._variables.values():
            self.variable(variable.name, variable.block.span)
        for variable in self._variables.values():
            variable.check(self)
        for name, block in self._functions.items():
            self.function(name, block.span)
        for name, attribute in self._attributes.items():
            self.variable(name, attribute.span)
        groups, targets = dict(below.groups), dict(below.targets)
        for form in self._all_forms():
            if form.block.type == "group":
                groups[form.name] = self._group(form)
            else:
                target = Target(form.name, self._target(form))
                before = targets.get(form.name)
                targets[form.name] = target if before is None else before.merged(target)
        for name, names in self._forked().items():
            groups.setdefault(name, Group(name, names))
        return Configuration(targets, groups)

    def listed(self) -> list[Listed]:
        """The variables by name, with the values that they have now."""
        return [
            each.listed(self.variable(name, each.block.span), self)
            for name, each in sorted(self._variables.items())
        ]

    def variable(self, name: str, span: Span) -> Value:
        """Of an expression: a variable, an attribute of a file, `target` or `group`."""
        if name in self._values:
            return self._values[name]
        if name in {"target", "group"}:
            return _Named(name, self)
        with self._once(f"the variable {name}", span):
            self._values[name] = self._work_out(name, span)
        return self._values[name]

    def function(self, name: str, span: Span) -> Function:
        """Of an expression: a function of the files, or of the library."""
        if name in self._functions and name not in self._made:
            self._made[name] = self._make(self._functions[name])
        found = self._made.get(name) or LIBRARY.get(name)
        if found is None and name in ABSENT:
            raise span.error(f"{name}() is not here", why=ABSENT[name], fix="do it in another way")
        if found is None:
            known = [*self._functions, *LIBRARY, "try", "can", "convert"]
            raise unknown(span, "function", name, known, "define it in a function block")
        return found

    def names(self, kind: str) -> list[str]:
        """What the blocks of a type are called."""
        return list(dict.fromkeys(each.name for each in self._all_forms() if each.is_a(kind)))

    def field(self, kind: str, name: str, field: str) -> Value:
        """What an expression gets for `target.NAME.FIELD`: of the last block of that name."""
        form = [each for each in self._all_forms() if each.is_a(kind) and each.name == name][-1]
        attribute = form.block.body.attributes.get(field)
        if attribute is None:
            return None
        if kind == "group":
            return evaluate(attribute.value, form.scope)
        return of_plain(self._field(form, attribute))

    def _work_out(self, name: str, span: Span) -> Value:
        variable = self._variables.get(name)
        attribute = self._attributes.get(name)
        if attribute is not None:
            value = evaluate(attribute.value, self)
            text = self._lookup(name) if variable is not None else None
            return value if text is None else text
        if variable is None:
            known = [*self._values, *self._variables, *self._attributes]
            raise unknown(span, "variable", name, known, f'define it: variable "{name}" {{ }}')
        return variable.value(self, self._lookup, self._variables)

    @contextmanager
    def _once(self, what: str, span: Span) -> Iterator[None]:
        """Around what must not need itself."""
        if what in self._under_way:
            chain = " needs ".join(
                [*map(str, self._under_way[self._under_way.index(what) :]), what]
            )
            raise span.error(f"{what} needs itself", why=chain, fix="break the circle")
        if len(self._under_way) > DEEPEST:
            raise span.error(
                f"{what} needs too much", why="too many names lead to it", fix="simplify it"
            )
        self._under_way.append(what)
        try:
            yield
        finally:
            self._under_way.pop()

    def _make(self, block: Block) -> Function:
        """A function of the files, with the parameters' names in its result."""
        attributes = block.body.attributes
        params, result = attributes.get("params"), attributes.get("result")
        if params is None or result is None or not isinstance(params.value, MakeTuple):
            raise block.span.error(
                f"the function {block.labels[0]!r} is not complete",
                why="it has params, a list of names, and a result",
                fix="add what is missing",
            )
        names = [keyword_of(item) for item in params.value.items]
        variadic = attributes.get("variadic_params")
        rest = keyword_of(variadic.value) if variadic else ""
        if not all(names) or (variadic and not rest):
            raise params.span.error(
                "this is no list of names", why="parameters are names", fix="as in [a, b]"
            )

        def call(*arguments: Value) -> Value:
            values: dict[str, Value] = dict(zip(names, arguments, strict=False))
            if rest:
                values[rest] = arguments[len(names) :]
            with self._once(f"the function {block.labels[0]}", block.span):
                return evaluate(result.value, Inner(self, values))

        keep: Callable[[Value], Value] = lambda value: value  # noqa: E731
        return Function(call, [keep] * len(names), rest=keep if rest else None)

    def _all_forms(self) -> "list[_Form]":
        """Every target and group, those of a matrix each."""
        if not self._forms:
            for block in self._blocks:
                if block.type == "group":
                    self._forms.append(_Form(block.labels[0], block, self))
                elif block.type == "target":
                    self._forms += self._forks(block)
        return self._forms

    def _forks(self, block: Block) -> "list[_Form]":
        """The targets that a matrix makes of one. Raises BakeError for names that collide."""
        attributes = block.body.attributes
        matrix, name = attributes.get("matrix"), attributes.get("name")
        if matrix is None:
            if name is not None:
                raise name.span.error(
                    "a name is for a matrix", why="this target has none", fix="remove it"
                )
            return [_Form(block.labels[0], block, self)]
        if name is None:
            raise matrix.span.error(
                "a matrix needs a name",
                why="each of its targets must be called otherwise",
                fix="add name, with the matrix's names in it, as in name = "
                f'"{block.labels[0]}-${{item}}"',
            )
        found = [
            _Form(self._name(name, Inner(self, values)), block, Inner(self, values))
            for values in self._combinations(matrix)
        ]
        for form in found:
            if sum(each.name == form.name for each in found) > 1:
                raise name.span.error(
                    f"two targets of this matrix are called {form.name!r}",
                    why="the name has to hold everything in which they differ",
                    fix="add what is missing to the name",
                )
        return found

    def _name(self, attribute: Attribute, scope: Scope) -> str:
        value = evaluate(attribute.value, scope)
        with attribute.value.span.explain(
            "this cannot be the name of a target", "sanitize() makes a name of any text"
        ):
            return _valid(to_text(value))

    def _combinations(self, attribute: Attribute) -> list[dict[str, Value]]:
        value = evaluate(attribute.value, self)
        with attribute.value.span.explain("this is no matrix"):
            axes = {name: to_list(items) for name, items in to_object(value).items()}
        return [
            dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
        ]

    def _forked(self) -> dict[str, list[str]]:
        """Groups that a matrix makes: the block's name means all of its targets."""
        found: dict[str, list[str]] = {}
        for form in self._all_forms():
            if form.block.type == "target":
                found.setdefault(form.block.labels[0], []).append(form.name)
        return {
            label: list(dict.fromkeys(names))
            for label, names in found.items()
            if set(names) != {label}
        }

    def _target(self, form: "_Form") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, attribute in form.block.body.attributes.items():
            if name in {"matrix", "name"}:
                continue
            if name not in FIELDS:
                raise unknown(
                    attribute.span, "attribute", name, [*FIELDS, "matrix", "name"], "remove it"
                )
            value = self._field(form, attribute)
            if value is not None:
                found[name] = value
        return found

    def _field(self, form: "_Form", attribute: Attribute) -> Any:
        """What a target holds in a field, or None."""
        known = (id(form), attribute.name)
        if known not in self._fields:
            with self._once(f"target.{form.name}.{attribute.name}", attribute.span):
                value = evaluate(attribute.value, form.scope)
            read = FIELDS[attribute.name].read
            with attribute.value.span.explain(f"this cannot be {attribute.name} of a target"):
                self._fields[known] = None if value is None else read(value)
        return self._fields[known]

    def _group(self, form: "_Form") -> Group:
        attributes = form.block.body.attributes
        for name, attribute in attributes.items():
            if name not in {"targets", "description"}:
                raise unknown(
                    attribute.span, "attribute", name, ("targets", "description"), "remove it"
                )
        if "targets" not in attributes:
            raise form.block.span.error(
                f"the group {form.name!r} is not complete",
                why="it has no targets",
                fix='add them, as in targets = ["app"]',
            )
        value = evaluate(attributes["targets"].value, form.scope)
        with attributes["targets"].value.span.explain("this cannot be the targets of a group"):
            targets = [to_text(item) for item in to_list(value)]
        described = attributes.get("description")
        text = to_text(evaluate(described.value, form.scope)) if described else ""
        return Group(form.name, list(dict.fromkeys(targets)), text)


class _Form:
    """A target or a group, and what names mean in it."""

    def __init__(self, name: str, block: Block, scope: Scope) -> None:
        self.name = name
        self.block = block
        self.scope = scope

    def is_a(self, kind: str) -> bool:
        return self.block.type == kind


class _Named(Mapping[str, Value]):
    """`target` or `group` in an expression: all of them by name."""

    def __init__(self, kind: str, definitions: Definitions) -> None:
        self._kind = kind
        self._definitions = definitions

    def __getitem__(self, name: str) -> Value:
        if name not in self._definitions.names(self._kind):
            raise KeyError(name)
        return _Fields(self._kind, name, self._definitions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions.names(self._kind))

    def __len__(self) -> int:
        return len(self._definitions.names(self._kind))


class _Fields(Mapping[str, Value]):
    """`target.NAME` in an expression: its fields, null where nothing is set."""

    def __init__(self, kind: str, name: str, definitions: Definitions) -> None:
        self._kind = kind
        self._name = name
        self._definitions = definitions

    def __getitem__(self, field: str) -> Value:
        if field == "name":
            return self._name
        if field not in self:
            raise KeyError(field)
        return self._definitions.field(self._kind, self._name, field)

    def __contains__(self, field: object) -> bool:
        return field in set(self)

    def __iter__(self) -> Iterator[str]:
        fields = FIELDS if self._kind == "target" else ("targets", "description")
        return iter(["name", *fields])

    def __len__(self) -> int:
        return len(list(iter(self)))


def _check(block: Block) -> None:
    """Raises BakeError for a block that means nothing, or has the wrong labels."""
    if block.type not in _BLOCKS:
        raise unknown(block.span, "block", block.type, _BLOCKS, "remove it")
    if len(block.labels) != 1:
        raise block.span.error(
            f"a {block.type} has one name",
            why=f"this one has {len(block.labels)}",
            fix=f'write {block.type} "name" {{ … }}',
        )
    if block.type in {"target", "group"}:
        with block.span.explain(f"this cannot be the name of a {block.type}"):
            _valid(block.labels[0])


def _valid(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:60]!r} has other characters than letters, digits, _ and -")
    return name
