"""A place in the text of a file that moves on, past spaces and comments."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from amphora.bake.hcl.source import DEEPEST, Source, Span

_BLANK = re.compile(r"(?:[ \t]|/\*.*?\*/)*", re.DOTALL)
_COMMENT = re.compile(r"(?:#|//)[^\n]*")
_OPERATOR = re.compile(r"\.\.\.|&&|\|\||[=!<>]=|=>|[-+*/%<>!?:=,.(){}\[\]~]")
_IDENTIFIER = re.compile(r"[^\W\d][\w-]*")
_NEWLINE = re.compile(r"\r?\n")


class Cursor:
    """Between brackets and in interpolations lines do not count; `inside` says where that is."""

    def __init__(self, source: Source, start: int = 0, end: int | None = None) -> None:
        self.source = source
        self.at = start
        self.end = len(source.text) if end is None else end
        self.lines_count = True
        self._depth = 0

    @contextmanager
    def inside(self, *, lines_count: bool) -> Iterator[None]:
        """One level deeper, where the end of a line ends something, or does not."""
        before, self.lines_count = self.lines_count, lines_count
        self._depth += 1
        if self._depth > DEEPEST:
            self.fail("this is nested too deeply", why=f"{DEEPEST} levels are the most")
        try:
            yield
        finally:
            self.lines_count = before
            self._depth -= 1

    def skip(self) -> None:
        """Go past what means nothing here."""
        while True:
            self.at = self._match(_BLANK)
            comment = self._match(_COMMENT)
            if comment > self.at:
                self.at = comment
            elif self.lines_count or self._match(_NEWLINE) == self.at:
                return
            else:
                self.at = self._match(_NEWLINE)

    def skip_lines(self) -> None:
        """Go past ends of lines too."""
        before, self.lines_count = self.lines_count, False
        self.skip()
        self.lines_count = before

    def peek(self) -> str:
        """The operator that stands here, or an empty text."""
        self.skip()
        found = _OPERATOR.match(self.source.text, self.at, self.end)
        return found[0] if found else ""

    def accept(self, operator: str) -> bool:
        """Go past an operator, if it stands here."""
        if self.peek() != operator:
            return False
        self.at += len(operator)
        return True

    def expect(self, operator: str, after: str) -> None:
        """Go past it; raises BakeError if something else stands here."""
        if not self.accept(operator):
            self.fail(f"{operator!r} is missing here", why=f"it has to follow {after}")

    def identifier(self) -> str:
        """Go past a name; an empty text if there is none."""
        self.skip()
        found = _IDENTIFIER.match(self.source.text, self.at, self.end)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def keyword(self, word: str) -> bool:
        """Go past this word, if it stands here."""
        self.skip()
        found = _IDENTIFIER.match(self.source.text, self.at, self.end)
        if found is None or found[0] != word:
            return False
        self.at = found.end()
        return True

    def take(self, pattern: re.Pattern[str]) -> str:
        """Go past what a pattern matches right here; an empty text if it does not."""
        end = self._match(pattern)
        start, self.at = self.at, end
        return self.source.text[start:end]

    def starts_with(self, text: str) -> bool:
        return self.source.text.startswith(text, self.at, self.end)

    @property
    def at_end(self) -> bool:
        return self.at >= self.end

    @property
    def at_end_of_line(self) -> bool:
        return self.at_end or self._match(_NEWLINE) > self.at

    def span(self, start: int, end: int | None = None) -> Span:
        return Span(self.source, start, self.at if end is None else end)

    def fail(self, what: str, *, why: str, fix: str = "") -> NoReturn:
        """Raise a BakeError for what stands here."""
        self.skip()
        found = _OPERATOR.match(self.source.text, self.at, self.end) or _IDENTIFIER.match(
            self.source.text, self.at, self.end
        )
        end = found.end() if found else self.at + 1
        raise self.span(self.at, end).error(
            what, why=why, fix=fix or "correct the part that is marked"
        )

    def _match(self, pattern: re.Pattern[str]) -> int:
        """Where a match ends that begins here; here, if there is none."""
        found = pattern.match(self.source.text, self.at, self.end)
        return found.end() if found else self.at
