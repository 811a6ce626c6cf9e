"""Here-documents: `RUN <<EOF`, `COPY <<-"EOF" /file`.

https://docs.docker.com/reference/dockerfile/#here-documents
"""

import re

from msgspec import Struct

from amphora.build.dockerfile.expand import ExpansionError, expand

_GRAMMAR = re.compile(r"(?P<descriptor>\d*)<<(?P<chomp>-?)\s*(?P<name>[^<]*)", re.DOTALL)
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


class Heredoc(Struct, frozen=True):
    """`name` ends it; `expand` is false if any part of the name was quoted.

    `content` is as written; `chomp` (`<<-`) asks for its leading tabs to be removed.
    """

    name: str
    content: str = ""
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0

    @property
    def body(self) -> str:
        """The content as its reader sees it."""
        return _LEADING_TABS.sub("", self.content) if self.chomp else self.content

    def ends_at(self, line: str) -> bool:
        """Is this line (with its line ending) the terminator?"""
        line = line.rstrip("\r\n")
        return (line.lstrip("\t") if self.chomp else line) == self.name


def read_heredoc(word: str) -> Heredoc | None:
    """The heredoc that a word opens, without content, or None; raises ExpansionError."""
    match = _GRAMMAR.fullmatch(word)
    if match is None or not match["name"]:
        return None
    plain = expand(match["name"], {}, keep_unset=True).words
    if len(plain) != 1:
        return None
    quoted = expand(match["name"], {}, keep_unset=True, keep_quotes=True).words
    if len(quoted) != 1:
        raise ExpansionError("the name of a heredoc is quoted in a way that cannot be read")
    return Heredoc(
        name=plain[0],
        expand=_count_quotes(plain[0]) == _count_quotes(quoted[0]),
        chomp=bool(match["chomp"]),
        descriptor=int(match["descriptor"][:9] or 0),
    )


def opened_heredoc(word: str) -> Heredoc | None:
    """As `read_heredoc`, but a name that cannot be read makes it an ordinary word."""
    try:
        return read_heredoc(word)
    except ExpansionError:
        return None


def find_heredocs(line: str) -> list[Heredoc]:
    """Those that a whole instruction opens, in order; raises ExpansionError.

    A line that does not split (a quote left open, a shell's `$((`) opens none.
    """
    try:
        words = expand(line, {}, keep_unset=True, keep_quotes=True, keep_escapes=True).words
    except ExpansionError:
        return []
    return [found for word in words if (found := read_heredoc(word)) is not None]


def _count_quotes(text: str) -> int:
    return text.count("'") + text.count('"')
