"""From what people see to what causes it: `symptoms.toml`, and lines held against it.

A log is somebody else's: each line is cut and cleaned before it is looked at or repeated.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import BinaryIO

from msgspec import Struct

#: How much of a line is looked at, and how much of it is repeated.
_LONGEST = 4096
_SHOWN = 160

#: What terminals are told: colours, cursor, titles (ECMA-48, CSI and OSC).
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Symptom(Struct, frozen=True):
    """One row of the table: what it looks like, its cause, and the command that mends it."""

    id: str
    words: tuple[str, ...]
    pattern: re.Pattern[str] | None
    examples: tuple[str, ...]
    cause: str
    why: str
    command: str
    source: str

    def shows_in(self, line: str) -> bool:
        """Does a line that has one of the words in it show this?"""
        return self.pattern is None or self.pattern.search(line) is not None


class Finding(Struct, frozen=True):
    """A symptom, where it showed first (lines count from 1) and how often in all."""

    symptom: Symptom
    line: int
    text: str
    count: int


@cache
def known_symptoms() -> tuple[Symptom, ...]:
    """All rows, particular ones before general ones."""
    text = resources.files(__package__).joinpath("symptoms.toml").read_text(encoding="utf-8")
    return tuple(map(_read, tomllib.loads(text)["symptom"]))


@cache
def _all_words() -> tuple[tuple[str, Symptom], ...]:
    """Every word with what it may be a sign of; a long log is held against these first."""
    return tuple((word, symptom) for symptom in known_symptoms() for word in symptom.words)


def recognise(lines: Iterable[str]) -> list[Finding]:
    """The symptoms that lines show, in the order in which they come; one for each line."""
    found: dict[str, Finding] = {}
    for number, text in enumerate(lines, 1):
        line = clean(text)
        symptom = _symptom_of(line)
        if symptom is not None:
            first = found.get(symptom.id) or Finding(symptom, number, line[:_SHOWN], 0)
            found[symptom.id] = Finding(symptom, first.line, first.text, first.count + 1)
    return list(found.values())


def lines_of(file: BinaryIO) -> Iterator[str]:
    """The lines of a log, however long they are: only the beginning of each is kept."""
    while line := file.readline(_LONGEST):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(1 << 16)
        yield line.decode(errors="replace")


def clean(line: str) -> str:
    """Without what terminals obey, and without line ends."""
    text = line[:_LONGEST].rstrip().replace("\t", " ")
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    return "".join(each if each.isprintable() else " " for each in text)


def _symptom_of(line: str) -> Symptom | None:
    lowered = line.lower()
    candidates = [symptom for word, symptom in _all_words() if word in lowered]
    return next((each for each in candidates if each.shows_in(line)), None)


def _read(row: dict[str, str | list[str]]) -> Symptom:
    pattern = row.get("pattern")
    return Symptom(
        id=str(row["id"]),
        words=tuple(row["words"]),
        pattern=re.compile(str(pattern), re.IGNORECASE) if pattern else None,
        examples=tuple(row["examples"]),
        cause=str(row["cause"]),
        why=str(row["why"]),
        command=str(row["command"]),
        source=str(row["source"]),
    )
