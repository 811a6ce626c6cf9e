"""YAML as compose reads it: `yes` and `12:30` are texts, as in YAML 1.2, and `0755` is octal.

https://yaml.org/spec/1.2.2/#103-core-schema, https://pkg.go.dev/gopkg.in/yaml.v3
"""

import re
from typing import Any

import yaml

from amphora.bake.files import File
from amphora.core.errors import BakeError

_TAG = "tag:yaml.org,2002:"
_NUMBER = list("-+0123456789.")

#: What a word without quotes is, and how it may begin.
_KINDS = (
    (f"{_TAG}null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (f"{_TAG}bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (f"{_TAG}int", r"[-+]?(?:0x[0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", _NUMBER),
    (f"{_TAG}float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", _NUMBER),
    (f"{_TAG}merge", r"<<", ["<"]),
)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, letters in _KINDS:
        for letter in letters:
            found.setdefault(letter, []).append((name, re.compile(f"(?:{pattern})$")))
    return found


class _Loader(yaml.SafeLoader):
    """Knows these words, and not those of YAML 1.1."""


_Loader.yaml_implicit_resolvers = _resolvers()


def parse_yaml(text: str) -> Any:
    """One document; raises yaml.YAMLError, and ValueError for a value that cannot be."""
    return yaml.load(text, _Loader)  # noqa: S506  it is a SafeLoader


def wrong(file: File, place: str, why: str) -> BakeError:
    """What is said of a mistake in a compose file that has no place of its own."""
    return BakeError(
        f"{file.name}: {place} is wrong",
        why=why,
        next_command="correct it; `docker compose config | amphora bake -f -` reads what"
        " compose makes of it",
    )
