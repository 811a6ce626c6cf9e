"""--set TARGET.FIELD=VALUE, and the flags that are short for it.

https://docs.docker.com/build/bake/overrides/#command-line
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from amphora.bake.entries import Entry
from amphora.bake.hcl.values import Value
from amphora.bake.target import FIELDS, Target
from amphora.core.errors import BakeError

#: What --set calls fields that are called otherwise in a file.
_SYNONYMS = {"platform": "platforms", "secrets": "secret"}

#: Fields of which --set names one entry.
_KEYED = frozenset({"args", "contexts", "labels", "extra-hosts"})

#: Fields of which several --set make one list.
_LISTS = frozenset(
    {
        *("annotations", "attest", "tags", "cache-from", "cache-to", "secret", "ssh"),
        *("platforms", "output", "no-cache-filter", "ulimits", "entitlements"),
    }
)

#: To these --set adds, in any case.
_ALWAYS_ADDED = frozenset({"annotations", "attest", "entitlements"})

_FORM = re.compile(r"(?P<pattern>[^.=]+)\.(?P<field>[^.=+]+)(?:\.(?P<key>[^=]+?))?(?P<adds>\+?)")


class Override(Struct, frozen=True):
    """One --set: `values` are several for a list; with `adds` the file's own stay."""

    field: str
    key: str
    values: Sequence[str]
    adds: bool


Overrides = Mapping[str, Sequence[Override]]


def read_overrides(
    texts: Sequence[str], names: Sequence[str], environment: Mapping[str, str]
) -> Overrides:
    """By target. `PATTERN.args.NAME` alone takes the environment's value; raises BakeError."""
    found: dict[str, dict[tuple[str, str], Override]] = {}
    for text in texts:
        written, equals, value = text.partition("=")
        match = _FORM.fullmatch(written)
        if match is None:
            raise _wrong(text, "it is written as TARGET.FIELD=VALUE")
        name = _SYNONYMS.get(match["field"], match["field"])
        key = match["key"] or ""
        _check(text, name, key)
        if not equals and name != "args":
            raise _wrong(text, "it has no value")
        if not equals and key not in environment:
            continue
        value = value if equals else environment[key]
        for target in _matching(text, match["pattern"], names):
            known = found.setdefault(target, {})
            before = known.get((name, key))
            values = [*before.values, value] if before and name in _LISTS else [value]
            adds = bool(match["adds"]) or name in _ALWAYS_ADDED
            known[name, key] = Override(name, key, values, adds)
    return {target: list(overrides.values()) for target, overrides in found.items()}


def overridden(target: Target, overrides: Sequence[Override]) -> Target:
    """The target with what --set says; raises BakeError."""
    for override in overrides:
        target = _apply(target, override)
    return target


def _apply(target: Target, override: Override) -> Target:
    name, text = override.field, override.values[-1]
    if name in {"push", "load"}:
        change = _pushed if name == "push" else _loaded
        wanted = _read(override, "pull", text)
        return target.with_field("output", change(target.entries("output"), wanted))
    if name in _KEYED:
        return target.with_field(name, {**(target.fields.get(name) or {}), override.key: text})
    if name in _LISTS:
        values: Value = tuple(text for text in override.values if text)
        found = _read(override, name, values)
        before = target.fields.get(name) or []
        return target.with_field(name, [*before, *found] if override.adds else found)
    return target.with_field(name, _read(override, name, text))


def _read(override: Override, field: str, value: Value) -> Any:
    try:
        return FIELDS[field].read(value)
    except ValueError as error:
        shown = "…" if override.field == "secret" else str(override.values[-1])[:60]
        raise _wrong(f"{override.field}={shown}", str(error)) from error


def _pushed(outputs: list[Entry], wanted: bool) -> list[Entry]:
    """--push: images that are put out are pushed; if nothing else is, one is put out for it."""
    if not wanted:
        kept = [output for output in outputs if output["type"] != "registry"]
        return [{**each, "push": "false"} if each["type"] == "image" else each for each in kept]
    found = [{**each, "push": "true"} if each["type"] == "image" else each for each in outputs]
    if all(output["type"] == "docker" for output in outputs):
        found.append({"push": "true", "type": "image"})
    return found


def _loaded(outputs: list[Entry], wanted: bool) -> list[Entry]:
    """--load: beside images only, and once."""
    there = any(output["type"] == "docker" and not output.get("dest") for output in outputs)
    images = {"docker", "image", "registry", "oci"}
    if not wanted or there or any(output["type"] not in images for output in outputs):
        return outputs
    return [*outputs, {"type": "docker"}]


def _check(text: str, name: str, key: str) -> None:
    settable = [*(field for field in FIELDS if field not in _NOT_SET), "push", "load"]
    if name not in settable:
        close = get_close_matches(name, settable, n=1)
        hint = f"did you mean {close[0]}?" if close else f"fields are {', '.join(settable)}"
        raise _wrong(text, f"a target has no field {name[:40]!r}; {hint}")
    if (name in _KEYED) != bool(key):
        needs = f"{name} is written as {name}.NAME" if name in _KEYED else f"{name} has no names"
        raise _wrong(text, needs)


_NOT_SET = frozenset({"inherits", "description", "dockerfile-inline"})


def _matching(text: str, pattern: str, names: Sequence[str]) -> list[str]:
    if pattern in names:
        return [pattern]
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        close = get_close_matches(pattern, names, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise _wrong(text, f"no target is called {pattern[:60]!r}{hint}")
    return found


def _wrong(text: str, why: str) -> BakeError:
    return BakeError(
        f"--set cannot be {text[:100]!r}",
        why=why,
        next_command="as in --set app.args.VERSION=1.2 or --set '*.platform=linux/arm64'",
    )
