"""From text to instructions: parser directives, comments, continuations, here-documents.

https://docs.docker.com/reference/dockerfile/#format and #parser-directives.
"""

import re

from msgspec import Struct, field

from amphora.build.dockerfile.expand import ExpansionError
from amphora.build.dockerfile.heredoc import Heredoc, find_heredocs
from amphora.build.dockerfile.source import Notice, Piece, Source
from amphora.build.dockerfile.words import SPACE, Command, Word, is_json, split_command
from amphora.core.errors import DockerfileError
from amphora.core.excerpt import excerpt

_DIRECTIVE = re.compile(r"#\s*(?P<name>[a-zA-Z][a-zA-Z0-9]*)\s*=\s*(?P<value>\S.*)")
_DIRECTIVE_NAMES = frozenset({"syntax", "escape", "check"})
_TAKE_HEREDOCS = frozenset({"add", "copy", "run"})


class Line(Struct, frozen=True):
    """One instruction, cut into keyword, flags and rest, with its here-documents."""

    source: Source
    command: Command
    heredocs: tuple[Heredoc, ...]
    escape: str


class Script(Struct):
    """A whole file: its directives, its instructions and what to warn of.

    `comments` are those between instructions, by line.
    """

    filename: str
    directives: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    comments: dict[int, str] = field(default_factory=dict)

    @property
    def escape(self) -> str:
        return self.directives.get("escape", "\\")


def read_script(text: str, filename: str) -> Script:
    """Cut a Dockerfile into instructions; raises DockerfileError."""
    return _Reader(text, filename).read()


class _Reader:
    def __init__(self, text: str, filename: str) -> None:
        self.rows = re.findall(r"[^\n]*\n|[^\n]+", text.removeprefix("\ufeff"))
        self.next = 0
        self.script = Script(filename)

    def read(self) -> Script:
        self._read_directives()
        while self.next < len(self.rows):
            row = self.rows[self.next].strip(SPACE)
            if not row or row.startswith("#"):
                self.next += 1
                if comment := row.removeprefix("#").strip():
                    self.script.comments[self.next] = comment
            else:
                self.script.lines.append(self._read_instruction())
        return self.script

    def _read_directives(self) -> None:
        """`# name=value` lines before anything else, an ordinary comment included."""
        for row in self.rows:
            match = _DIRECTIVE.fullmatch(row.strip(SPACE))
            if match is None or match["name"].lower() not in _DIRECTIVE_NAMES:
                return
            self._add_directive(match["name"].lower(), match["value"])
            self.next += 1

    def _add_directive(self, name: str, value: str) -> None:
        if name in self.script.directives:
            raise self._error(
                f"the parser directive {name!r} is given twice",
                why="each directive can be used once",
                fix="remove one of the two lines",
            )
        if name == "escape" and value not in {"\\", "`"}:
            raise self._error(
                f"{value[:40]!r} cannot be the escape character",
                why="it is either a backslash or a backtick",
                fix="write `# escape=\\` or '# escape=`'",
            )
        self.script.directives[name] = value

    def _error(self, what: str, *, why: str, fix: str) -> DockerfileError:
        row = self.rows[self.next].rstrip()
        column = len(row) - len(row.lstrip())
        place = f"{self.script.filename}:{self.next + 1}"
        shown = excerpt(place, self.next + 1, row, column, len(row) - column)
        return DockerfileError(what, why=why, next_command=fix, excerpt=shown)

    def _read_instruction(self) -> Line:
        start = self.next + 1
        text, pieces = self._join()
        source = Source(self.script.filename, start, self.next, text, tuple(pieces))
        if not text.strip(SPACE):
            raise source.error(
                "a line is continued, and nothing follows",
                why=f"{self.script.escape!r} at the end of a line joins it with the next one",
                fix="remove it, or write the instruction that it should be a part of",
            )
        command = split_command(Word(text, 0))
        heredocs = self._read_heredocs(source, command)
        source = Source(source.filename, start, self.next, text, source.pieces)
        return Line(source, command, heredocs, self.script.escape)

    def _join(self) -> tuple[str, list[Piece]]:
        """The next row and those that continue it; comments among them fall out."""
        text, pieces, continued, gap = "", list[Piece](), True, 0
        while continued and self.next < len(self.rows):
            row = self.rows[self.next].rstrip("\r\n")
            self.next += 1
            stripped = row.lstrip(SPACE)
            if pieces and (not stripped or stripped.startswith("#")):
                gap = gap or (0 if stripped else self.next)
                continue
            column = 0 if pieces else len(row) - len(stripped)
            pieces.append(Piece(len(text), self.next, column, row))
            body, continued = _cut_continuation(row[column:], self.script.escape)
            text += body
        if gap:
            message = "an empty line continues an instruction; docker will refuse it one day"
            self.script.notices.append(Notice("NoEmptyContinuation", message, gap))
        return text, pieces

    def _read_heredocs(self, source: Source, command: Command) -> tuple[Heredoc, ...]:
        if "<<" not in source.text or not _can_have_heredocs(command):
            return ()
        try:
            opened = find_heredocs(source.text)
        except ExpansionError as error:
            raise source.error(
                "the name of a here-document cannot be read",
                why=str(error),
                fix="write it as <<EOF, <<-EOF or <<'EOF'",
                span=source.span("<<"),
            ) from error
        return tuple(self._read_heredoc(source, heredoc) for heredoc in opened)

    def _read_heredoc(self, source: Source, heredoc: Heredoc) -> Heredoc:
        first = self.next
        while self.next < len(self.rows):
            row = self.rows[self.next]
            self.next += 1
            if heredoc.ends_at(row):
                content = "".join(self.rows[first : self.next - 1])
                return Heredoc(
                    heredoc.name, content, heredoc.expand, heredoc.chomp, heredoc.descriptor
                )
        raise source.error(
            f"the here-document {heredoc.name!r} does not end",
            why=f"no line after line {first} is exactly {heredoc.name!r}",
            fix=f"write {heredoc.name} alone on the line behind its text",
            span=source.span("<<"),
        )


def _cut_continuation(row: str, escape: str) -> tuple[str, bool]:
    """The row without the escape character that continues it, and whether it had one.

    Two of them in a row are not a continuation.
    """
    body = row.rstrip(" \t")
    continued = body.endswith(escape) and not body.endswith(escape * 2)
    return (body[:-1], True) if continued else (row, False)


def _can_have_heredocs(command: Command) -> bool:
    if command.keyword.text.lower() == "onbuild":
        command = split_command(command.rest)
    return command.keyword.text.lower() in _TAKE_HEREDOCS and not is_json(command.rest.text)
