"""A target: its fields, what each may hold, and how one target adds to another.

https://docs.docker.com/build/bake/reference/#target
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.bake.entries import (
    Entry,
    last_of_type,
    read_agents,
    read_attestations,
    read_caches,
    read_outputs,
    read_secrets,
    without_twins,
)
from amphora.bake.hcl.values import Value, to_bool, to_list, to_object, to_text


class Merge(Enum):
    """What becomes of a field that both targets have."""

    REPLACE = auto()
    APPEND = auto()
    UPDATE = auto()


class Field(Struct, frozen=True):
    """`read` makes what a target holds of a value, and raises ValueError."""

    read: Callable[[Value], Any]
    merge: Merge = Merge.REPLACE
    tidy: Callable[[Any], Any] = lambda value: value


def _switch(value: Value) -> bool:
    if value in (0, 1):
        return bool(value)
    return to_bool(value)


def _texts(value: Value) -> list[str]:
    return [to_text(item) for item in to_list(value) if item is not None]


def _pairs(value: Value) -> dict[str, str | None]:
    items = to_object(value).items()
    return {name: None if item is None else to_text(item) for name, item in items}


def _unset(value: Value) -> dict[str, str]:
    """Without what is null: it is the same as not being there."""
    return {name: text for name, text in _pairs(value).items() if text is not None}


def _each(read: Callable[[Value], list[Entry]]) -> Callable[[Value], list[Entry]]:
    return lambda value: [entry for item in to_list(value) for entry in read(item)]


def _tidy_texts(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def _tidy_contexts(contexts: Mapping[str, str]) -> dict[str, str]:
    return {name: location for name, location in contexts.items() if location}


#: All fields, in the order in which they are printed.
FIELDS: Mapping[str, Field] = {
    "description": Field(to_text),
    "inherits": Field(_texts, Merge.APPEND),
    "annotations": Field(_texts, Merge.APPEND, _tidy_texts),
    "attest": Field(_each(read_attestations), Merge.APPEND, last_of_type),
    "context": Field(to_text),
    "contexts": Field(_unset, Merge.UPDATE, _tidy_contexts),
    "dockerfile": Field(to_text),
    "dockerfile-inline": Field(to_text),
    "args": Field(_pairs, Merge.UPDATE),
    "labels": Field(_pairs, Merge.UPDATE),
    "tags": Field(_texts, tidy=_tidy_texts),
    "cache-from": Field(_each(read_caches), Merge.APPEND, without_twins),
    "cache-to": Field(_each(read_caches), tidy=without_twins),
    "target": Field(to_text),
    "secret": Field(_each(read_secrets), Merge.APPEND, without_twins),
    "ssh": Field(_each(read_agents), Merge.APPEND, without_twins),
    "platforms": Field(_texts, tidy=_tidy_texts),
    "output": Field(_each(read_outputs), tidy=without_twins),
    "pull": Field(_switch),
    "no-cache": Field(_switch),
    "network": Field(to_text),
    "no-cache-filter": Field(_texts, Merge.APPEND, _tidy_texts),
    "shm-size": Field(to_text),
    "ulimits": Field(_texts, Merge.APPEND, _tidy_texts),
    "call": Field(to_text),
    "entitlements": Field(_texts, Merge.APPEND, _tidy_texts),
    "extra-hosts": Field(_pairs, Merge.UPDATE),
}


class Target(Struct, frozen=True):
    """`fields` has what is set, as FIELDS read it; `linked`: only built because others use it."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    linked: bool = False

    def with_field(self, name: str, value: Any) -> "Target":
        return replace(self, fields={**self.fields, name: value})

    def merged(self, other: "Target") -> "Target":
        """With what another target says; where both say something, as the field's kind has it."""
        fields = dict(self.fields)
        for name, value in other.fields.items():
            before = fields.get(name)
            kind = FIELDS[name].merge
            if kind is Merge.REPLACE:
                fields[name] = value
            elif kind is Merge.APPEND:
                fields[name] = [*(before or ()), *value]
            else:
                # What is null leaves what was there.
                given = {key: item for key, item in value.items() if item is not None}
                fields[name] = {**(before or {}), **given}
        return replace(self, fields=fields)

    def tidied(self) -> "Target":
        """Without what stands there twice or says nothing; --network=host asks for permission."""
        fields = {name: FIELDS[name].tidy(value) for name, value in self.fields.items()}
        if fields.get("network") == "host":
            fields["entitlements"] = _tidy_texts([*fields.get("entitlements", ()), "network.host"])
        return replace(self, fields=fields)

    def text(self, name: str) -> str:
        """The text of a field, empty if it is not set."""
        return str(self.fields.get(name) or "")

    def texts(self, name: str) -> list[str]:
        return list(self.fields.get(name) or ())

    def pairs(self, name: str) -> dict[str, str]:
        """Names and values, without those that are null."""
        found = self.fields.get(name) or {}
        return {key: value for key, value in found.items() if value is not None}

    def entries(self, name: str) -> list[Entry]:
        return list(self.fields.get(name) or ())

    def switch(self, name: str) -> bool:
        return bool(self.fields.get(name))

    @property
    def links(self) -> dict[str, str]:
        """Names of contexts, and the targets that they are."""
        contexts = self.pairs("contexts").items()
        return {
            name: location.removeprefix("target:")
            for name, location in contexts
            if location.startswith("target:")
        }


class Group(Struct, frozen=True):
    """Targets, and other groups, under one name."""

    name: str
    targets: Sequence[str]
    description: str = ""


class Configuration(Struct, frozen=True):
    """All that the files define."""

    targets: Mapping[str, Target] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
