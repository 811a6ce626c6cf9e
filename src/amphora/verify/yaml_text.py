"""YAML that people wrote, so read that each mistake is told with its line.

PyYAML's safe loader makes nodes, which know their places; values are taken out of them one by
one, as what the reader expects. A file may come out of an image: it is bounded, may not nest
without end, and has no aliases, with which a few lines can become gigabytes.
https://yaml.org/spec/1.1/
"""

import os
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from amphora.core.errors import InvalidValueError

#: In bytes; what people write is far below.
LARGEST = 256 << 10
_DEEPEST = 20

_NULL, _BOOL, _INT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int"))


def read_file(path: Path) -> str:
    """The text of a file that somebody named; raises InvalidValueError if it cannot be read."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(LARGEST + 1).decode(errors="replace")
        why = "it is not there, or no file"
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
    raise InvalidValueError(
        f"{path} cannot be read", why=why, next_command="name a file that you may read"
    )


def read_yaml(text: str, name: str) -> "Value":
    """The value of a document; `name` is what to call the file in errors.

    Raises InvalidValueError for what is no YAML, larger or deeper than it may be, or empty.
    """
    if len(text) > LARGEST:
        raise _wrong(name, 1, f"the file has more than {LARGEST >> 10} KiB", "make it smaller")
    try:
        node: Any = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        why = " ".join(filter(None, (error.context, error.problem)))
        raise _wrong(name, line, why, "correct that line") from error
    except yaml.YAMLError as error:
        raise _wrong(name, 1, str(error).splitlines()[0], "remove what is no text") from error
    if node is None:
        raise _wrong(name, 1, "the file is empty", "write into it what is wanted")
    return Value(name, node)


class Value(Struct, frozen=True):
    """A value and its place. Each method raises InvalidValueError if it is something else."""

    source: str
    node: Any

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    def wrong(self, why: str, next_command: str) -> InvalidValueError:
        """The error for this value, with its file and line."""
        return _wrong(self.source, self.line, why, next_command)

    def mapping(self, known: Collection[str]) -> "dict[str, Value]":
        """The values by key; each key is one of the known ones, and there once."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong("here are names with values expected", f"write {_some(known)}")
        found: dict[str, Value] = {}
        for key_node, node in self.node.value:
            key = Value(self.source, key_node)
            name = key.text()
            if name not in known:
                raise key.wrong(f"{name[:60]!r} is not known here", f"write {_some(known, name)}")
            if name in found:
                raise key.wrong(f"{name} is there twice", "remove one of them")
            found[name] = Value(self.source, node)
        return found

    def items(self) -> "list[Value]":
        """The values of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong("a list is expected here", "write it as [one, two]")
        return [Value(self.source, node) for node in self.node.value]

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.text() for item in self.items())

    def text(self) -> str:
        """A text; numbers and the like are taken as they are written."""
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag == _NULL:
            raise self.wrong("a text is expected here", 'write it as "text"')
        return str(self.node.value)

    def number(self) -> int:
        """A whole number, in digits."""
        text = self.text()
        if self.node.tag != _INT or not text.isascii() or not text.isdigit() or len(text) > 10:
            raise self.wrong(f"a number is expected here, not {text[:60]!r}", "write its digits")
        return int(text)

    def truth(self) -> bool:
        """true or false."""
        text = self.text().lower()
        if self.node.tag != _BOOL:
            raise self.wrong(f"true or false is expected here, not {text[:60]!r}", "write one")
        return text in {"true", "yes", "on"}

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)


class _Loader(yaml.SafeLoader):
    """Composes nodes, and makes nothing of them."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(None, None, "aliases are not read: write it out", mark)
        if self._depth >= _DEEPEST:
            raise yaml.MarkedYAMLError(None, None, "it is nested too deeply", mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _some(known: Collection[str], name: str = "") -> str:
    close = get_close_matches(name, known, n=1)
    return close[0] if close else f"one of {', '.join(sorted(known))}"


def _wrong(source: str, line: int, why: str, next_command: str) -> InvalidValueError:
    return InvalidValueError(
        f"line {line} of {source} cannot be read", why=why, next_command=next_command
    )
