"""The files of a build definition: which there are, and what form each has."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from amphora.bake.hcl.bodies import parse_body
from amphora.bake.hcl.json_bodies import parse_json_body
from amphora.bake.hcl.source import Source
from amphora.bake.hcl.syntax import Body
from amphora.core.errors import BakeError
from amphora.system.roots import read_in_root

STDIN = "-"

#: A hundred times the longest that people write.
_LONGEST = 4 << 20

#: What is read where no file is named, in this order; the later adds to the earlier.
#: https://docs.docker.com/build/bake/overrides/#default-file-lookup
DEFAULT_FILES = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
)
_SERVICES = re.compile(r"^services\s*:", re.MULTILINE)


class File(Struct, frozen=True):
    """`name` is a path; with a `root`, that of a repository, it is one in there."""

    name: str
    text: str
    root: Path | None = None

    def beside(self, name: str) -> "File | None":
        """The file of that name where this one is from; None if there is none.

        Raises BakeError for one that is no text.
        """
        root = self.root or Path("/")
        path = name if self.root else str(Path(name).absolute())
        content = read_in_root(root, path, _LONGEST + 1)
        return None if content is None else File(name, _decoded(name, content), self.root)

    @property
    def is_compose(self) -> bool:
        """By its name; where that says nothing, by its services."""
        name = self.name.lower()
        if name.endswith((".yml", ".yaml")):
            return True
        return not name.endswith((".json", ".hcl")) and bool(_SERVICES.search(self.text))

    def body(self) -> Body:
        """What is in a file of HCL, or of HCL as JSON; raises BakeError."""
        source = Source(self.name, self.text)
        as_json = self.name.lower().endswith(".json") or (
            not self.name.lower().endswith(".hcl") and self.text.lstrip().startswith("{")
        )
        return parse_json_body(source) if as_json else parse_body(source)


def read_files(names: Sequence[str], stdin: BinaryIO) -> list[File]:
    """The files of these names, or the usual ones here. Raises BakeError."""
    if names:
        return [_named(name.removeprefix("cwd://"), stdin) for name in names]
    found = [_named(name, stdin) for name in DEFAULT_FILES if Path(name).is_file()]
    return _insist(found, "the working directory")


def read_files_in(root: Path, names: Sequence[str]) -> list[File]:
    """The same of a repository that was fetched: no link leads out of it."""
    found = [(name, read_in_root(root, name, _LONGEST + 1)) for name in names or DEFAULT_FILES]
    for name, content in found:
        if names and content is None:
            raise _unreadable(name, "the repository has no file of that name")
    files = [File(name, _decoded(name, text), root) for name, text in found if text is not None]
    return _insist(files, "the repository")


def _insist(files: list[File], place: str) -> list[File]:
    if not files:
        raise BakeError(
            "there is nothing to bake",
            why=f"{place} has none of {', '.join(DEFAULT_FILES)}",
            next_command="name the file with -f",
        )
    return files


def _named(name: str, stdin: BinaryIO) -> File:
    if name == STDIN:
        return File(name, _decoded("standard input", stdin.read(_LONGEST + 1)))
    try:
        with open(name, "rb") as file:
            return File(name, _decoded(name, file.read(_LONGEST + 1)))
    except OSError as error:
        raise _unreadable(name, (error.strerror or str(error)).lower()) from error


def _decoded(name: str, content: bytes) -> str:
    if len(content) > _LONGEST:
        raise _unreadable(name, f"it is larger than {_LONGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(name, "it is not UTF-8 text") from error


def _unreadable(name: str, why: str) -> BakeError:
    return BakeError(
        f"cannot read the bake file {name}", why=why, next_command="name the right file with -f"
    )
