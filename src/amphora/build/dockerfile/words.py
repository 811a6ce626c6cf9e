"""Cutting an instruction into words: keyword, flags, JSON arrays, quoted words.

Every word keeps its place, so that an error can point at it. Quotes and escapes stay
in the words; `expand` takes them away together with the variables.
"""

import json
import re
from typing import Any

from msgspec import Struct

#: What Go's unicode.IsSpace takes for white space; Python's str.isspace knows four more.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Word(Struct, frozen=True):
    """Some text and where it begins in the instruction's joined text."""

    text: str
    start: int

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.start + len(self.text)

    def strip(self) -> "Word":
        stripped = self.text.lstrip(SPACE)
        return Word(stripped.rstrip(SPACE), self.start + len(self.text) - len(stripped))


class Flag(Struct, frozen=True):
    """`--name` or `--name=value`, quotes and backslashes already taken away."""

    name: str
    value: str | None
    word: Word


class Command(Struct, frozen=True):
    """An instruction in three parts: keyword as written, flags, and the rest, stripped."""

    keyword: Word
    flags: tuple[Flag, ...]
    rest: Word


class NotStringsError(ValueError):
    """A JSON array that holds something else than strings."""


class WordCollector:
    """Collects text, and splits it into words where unquoted white space stands."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._word: list[str] = []
        self._words: list[str] = []

    def add(self, text: str) -> None:
        """Unquoted text: its white space splits."""
        self._text.append(text)
        for character in text:
            if character in SPACE:
                self._end_word()
            else:
                self._word.append(character)

    def add_quoted(self, text: str) -> None:
        self._text.append(text)
        self._word.append(text)

    def finish(self) -> tuple[str, tuple[str, ...]]:
        self._end_word()
        return "".join(self._text), tuple(self._words)

    def _end_word(self) -> None:
        word = "".join(self._word)
        if word:
            self._words.append(word)
        self._word.clear()


def split_command(line: Word) -> Command:
    """Keyword, flags and the rest of an instruction."""
    line = line.strip()
    blank = _BLANKS.search(line.text)
    if blank is None:
        return Command(line, (), Word("", line.start + len(line.text)))
    keyword = Word(line.text[: blank.start()], line.start)
    flags, rest = _take_flags(Word(line.text[blank.end() :], line.start + blank.end()))
    return Command(keyword, flags, rest.strip())


def split_blanks(rest: Word) -> list[Word]:
    """Words between white space; quotes mean nothing here."""
    return [
        Word(found[0], rest.start + found.start())
        for found in re.finditer(r"[^\t\v\f\r ]+", rest.text)
    ]


def cut(rest: Word) -> tuple[Word, Word] | None:
    """The first word and all that follows the white space behind it, or None if nothing does."""
    blank = _BLANKS.search(rest.text)
    if blank is None:
        return None
    return Word(rest.text[: blank.start()], rest.start), Word(
        rest.text[blank.end() :], rest.start + blank.end()
    )


def split_quoted(rest: Word, escape: str) -> list[Word]:
    """Words between white space that is neither quoted nor escaped; quotes are kept.

    An escape character at the very end is dropped, as BuildKit's ENV and LABEL do.
    """
    text = rest.text
    words: list[Word] = []
    index = 0
    while index < len(text):
        if text[index] in SPACE:
            index += 1
            continue
        end = _quoted_word_end(text, index, escape)
        # An escape that has nothing to escape is reported as ending one further on.
        word = text[index : end - 2 if end > len(text) else end]
        if word:
            words.append(Word(word, rest.start + index))
        index = end
    return words


def json_strings(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array, or None if the text is anything else (the shell form).

    Raises NotStringsError for a valid array that holds something else than strings.
    """
    if not rest.lstrip(SPACE).startswith("["):
        return None
    try:
        values: Any = json.loads(rest, parse_constant=_no_constant, parse_int=float)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise NotStringsError
    return tuple(_SURROGATE.sub("\ufffd", value) for value in values)


def is_json(rest: str) -> bool:
    """Is it the exec form, or a try at it that an error will be raised for?"""
    try:
        return json_strings(rest) is not None
    except NotStringsError:
        return True


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _quoted_word_end(text: str, index: int, escape: str) -> int:
    quote = ""
    while index < len(text):
        character = text[index]
        if character == escape and quote != "'":
            index += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in SPACE:
            return index
        elif character in "'\"":
            quote = character
        index += 1
    return index


def _take_flags(rest: Word) -> tuple[tuple[Flag, ...], Word]:
    """The leading `--flags`; a lone `--` ends them, a word without dashes does too."""
    flags: list[Flag] = []
    text = rest.text
    index = 0
    while index < len(text):
        if text[index] in SPACE:
            index += 1
            continue
        if not text.startswith("--", index):
            break
        value, end = _read_flag(text, index)
        word = Word(text[index:end], rest.start + index)
        index = end
        if value == "--":
            break
        name, equals, argument = value.removeprefix("--").partition("=")
        flags.append(Flag(name, argument if equals else None, word))
    return tuple(flags), Word(text[index:], rest.start + index)


def _read_flag(text: str, index: int) -> tuple[str, int]:
    """One flag without its quotes and escapes (always a backslash here), and where it ends."""
    value: list[str] = []
    quote = ""
    while index < len(text):
        character = text[index]
        if not quote and character in SPACE:
            break
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif character == "\\":
            index += 1
            value.append(text[index : index + 1])
        else:
            value.append(character)
        index += 1
    return "".join(value), min(index, len(text))
