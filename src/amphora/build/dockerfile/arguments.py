"""What the instructions' readers share: counting, pairing and pointing at arguments."""

from collections.abc import Sequence

from amphora.build.dockerfile.instructions import CommandLine
from amphora.build.dockerfile.lines import Line
from amphora.build.dockerfile.words import (
    NotStringsError,
    Word,
    cut,
    json_strings,
    split_blanks,
    split_quoted,
)
from amphora.core.errors import DockerfileError


def wrong(
    line: Line, what: str, *, why: str, fix: str, word: Word | None = None
) -> DockerfileError:
    """An error at a word of the instruction, or at its keyword."""
    span = (word or line.command.keyword).span
    return line.source.error(what, why=why, fix=fix, span=span)


def missing(line: Line, what: str, example: str) -> DockerfileError:
    """The instruction ends where an argument is expected."""
    return wrong(
        line,
        f"{line.command.keyword.text.upper()} {what}",
        why="its arguments are missing or too few",
        fix=f"write for example `{example}`",
    )


def one(line: Line, example: str) -> str:
    """All that follows the flags, which must be something."""
    if not line.command.rest.text:
        raise missing(line, "requires exactly one argument", example)
    return line.command.rest.text


def exec_form(line: Line, rest: Word) -> tuple[str, ...] | None:
    """The words of a JSON array, None for the shell form; raises DockerfileError."""
    try:
        return json_strings(rest.text)
    except NotStringsError:
        raise wrong(
            line,
            "the JSON array holds something else than strings",
            why="every element becomes one argument, which is a string",
            fix='put each element between double quotes: ["sleep", "10"]',
            word=rest,
        ) from None


def command_line(line: Line, rest: Word) -> CommandLine:
    words = exec_form(line, rest)
    return rest.text if words is None else words


def words_or_json(line: Line) -> tuple[str, ...]:
    """A JSON array's strings or the words between blanks."""
    words = exec_form(line, line.command.rest)
    if words is None:
        return tuple(word.text for word in split_blanks(line.command.rest))
    return words


def pairs(line: Line, example: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """The KEY=VALUE pairs of ENV and LABEL; true if written the old way, `KEY VALUE`."""
    rest = line.command.rest
    words = split_quoted(rest, line.escape)
    if not words:
        raise missing(line, "requires at least one argument", example)
    if "=" not in words[0].text:
        halves = cut(rest)
        if halves is None:
            raise wrong(
                line,
                f"{line.command.keyword.text.upper()} must have two arguments",
                why=f"{words[0].text[:40]!r} has no value",
                fix=f"write for example `{example}`",
                word=words[0],
            )
        return ((halves[0].text, halves[1].text),), True
    return tuple(_pair(line, word) for word in words), False


def _pair(line: Line, word: Word) -> tuple[str, str]:
    key, equals, value = word.text.partition("=")
    if not equals:
        raise wrong(
            line,
            f"{word.text[:40]!r} has no `=`",
            why="each word must be of the form NAME=VALUE",
            fix="put quotes around a value that holds blanks",
            word=word,
        )
    if not key:
        raise blank_name(line, word)
    return key, value


def blank_name(line: Line, word: Word) -> DockerfileError:
    return wrong(
        line,
        f"{line.command.keyword.text.upper()} names cannot be blank",
        why="nothing stands before the `=`",
        fix="write NAME=VALUE",
        word=word,
    )


def span_of(words: Sequence[Word]) -> Word:
    """One word that covers all of them."""
    end = words[-1].span[1]
    return Word(" " * (end - words[0].start), words[0].start)
