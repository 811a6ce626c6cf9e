"""Where an instruction stands in its file, and errors that point at the word that is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from amphora.core.errors import AmphoraError, DockerfileError, InvalidValueError
from amphora.core.excerpt import excerpt


class Piece(Struct, frozen=True):
    """One physical line of an instruction: where its text begins in the joined text.

    `column` is how far into the line that text begins; `line` counts from 1.
    """

    offset: int
    line: int
    column: int
    content: str


class Notice(Struct, frozen=True):
    """Something that works but should not be written so; `rule` is BuildKit's name for it.

    https://docs.docker.com/reference/build-checks/
    """

    rule: str
    message: str
    line: int


class Source(Struct, frozen=True):
    """The lines of one instruction.

    `text` is the instruction with its continuation lines joined; `start` and `end` are
    its first and last line, heredocs included.
    """

    filename: str
    start: int
    end: int
    text: str
    pieces: tuple[Piece, ...]

    @property
    def code(self) -> str:
        """The instruction on one line, as logs and histories show it."""
        return self.text.strip()

    def span(self, word: str, after: int = 0) -> tuple[int, int] | None:
        """Where in `text` a word stands, or None if it does not."""
        found = self.text.find(word, after) if word else -1
        return None if found < 0 else (found, found + len(word))

    def excerpt(self, span: tuple[int, int] | None = None) -> str:
        """`FILE:LINE`, the line, and carets below the characters of `span` (of `text`).

        Without a span the carets go below the first word.
        """
        start, end = span or self._first_word()
        piece = next(piece for piece in reversed(self.pieces) if piece.offset <= max(start, 0))
        column = piece.column + start - piece.offset
        content = piece.content.rstrip()
        column = min(column, len(content))
        width = max(1, min(end - start, len(content) - column))
        return excerpt(f"{self.filename}:{piece.line}", piece.line, content, column, width)

    def error(
        self, what: str, *, why: str, fix: str, span: tuple[int, int] | None = None
    ) -> DockerfileError:
        """The error to raise for a mistake at `span`."""
        return DockerfileError(what, why=why, next_command=fix, excerpt=self.excerpt(span))

    @contextmanager
    def located(self, span: tuple[int, int] | None = None) -> Iterator[None]:
        """Have an error from inside show where this stands, if it shows nothing yet."""
        try:
            yield
        except AmphoraError as error:
            error.excerpt = error.excerpt or self.excerpt(span)
            raise

    @contextmanager
    def explain(
        self,
        what: str,
        span: tuple[int, int] | None = None,
        fix: str = "correct the part that is marked",
    ) -> Iterator[None]:
        """Turn a ValueError or InvalidValueError into a DockerfileError at `span`."""
        try:
            yield
        except (ValueError, InvalidValueError) as error:
            raise self.error(what, why=str(error), fix=fix, span=span) from error

    def _first_word(self) -> tuple[int, int]:
        words = self.text.split(maxsplit=1)
        return self.span(words[0] if words else "") or (0, 1)
