"""The text of a bake file, and errors that point into it."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from amphora.core.errors import BakeError
from amphora.core.excerpt import excerpt

#: Far more than a file that people write needs, far less than Python's stack can take.
DEEPEST = 60


class Source(Struct, frozen=True, eq=False):
    """A file. `within` is where the text stands, if it was decoded out of another file."""

    filename: str
    text: str
    within: "Span | None" = None

    def place(self, offset: int) -> tuple[int, int, str]:
        """The line (from 1), the column (from 0) and the whole line of an offset."""
        starts = [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]
        line = bisect_right(starts, offset)
        start = starts[line - 1]
        end = self.text.find("\n", start)
        content = self.text[start : len(self.text) if end < 0 else end]
        return line, offset - start, content.rstrip("\r")


class Span(Struct, frozen=True, eq=False):
    """From `start` to before `end` in a file."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, end: int) -> "Span":
        return Span(self.source, self.start, end)

    @property
    def excerpt(self) -> str:
        """`FILE:LINE:COLUMN`, the line, and carets below what is meant."""
        if self.source.within is not None:
            return self.source.within.excerpt
        line, column, content = self.source.place(min(self.start, len(self.source.text)))
        width = max(1, min(self.end - self.start, len(content) - column))
        place = f"{self.source.filename}:{line}:{column + 1}"
        return excerpt(place, line, content, column, width)

    def error(self, what: str, *, why: str, fix: str) -> BakeError:
        """The error to raise for a mistake here."""
        return BakeError(what, why=why, next_command=fix, excerpt=self.excerpt)

    @contextmanager
    def explain(self, what: str, fix: str = "correct the part that is marked") -> Iterator[None]:
        """Turn a ValueError into a BakeError here."""
        try:
            yield
        except ValueError as error:
            raise self.error(what, why=str(error), fix=fix) from error
