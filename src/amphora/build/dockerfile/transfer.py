"""COPY and ADD: sources, destination, files written in place.

https://docs.docker.com/reference/dockerfile/#copy and #add
"""

from msgspec import Struct

from amphora.build.dockerfile.arguments import words_or_json, wrong
from amphora.build.dockerfile.flags import Flags
from amphora.build.dockerfile.heredoc import Heredoc, opened_heredoc
from amphora.build.dockerfile.instructions import Add, Copy
from amphora.build.dockerfile.lines import Line


class _Paths(Struct, frozen=True):
    sources: tuple[str, ...]
    files: tuple[Heredoc, ...]
    destination: str


def read_copy(line: Line, flags: Flags) -> Copy:
    """Raises DockerfileError."""
    paths = _read_paths(line)
    _check_from(line, flags)
    return Copy(
        source=line.source,
        sources=paths.sources,
        files=paths.files,
        destination=paths.destination,
        from_=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.switch("link")),
        parents=bool(flags.switch("parents")),
        exclude=flags.texts("exclude"),
    )


def read_add(line: Line, flags: Flags) -> Add:
    """Raises DockerfileError."""
    paths = _read_paths(line)
    return Add(
        source=line.source,
        sources=paths.sources,
        files=paths.files,
        destination=paths.destination,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.switch("link")),
        exclude=flags.texts("exclude"),
        keep_git_dir=bool(flags.switch("keep-git-dir")),
        checksum=flags.text("checksum"),
        unpack=flags.switch("unpack"),
    )


def _read_paths(line: Line) -> _Paths:
    keyword = line.command.keyword.text.upper()
    words = words_or_json(line)
    if len(words) < 2:
        raise wrong(
            line,
            f"{keyword} requires at least two arguments",
            why="the last one is the destination, those before it are the sources",
            fix=f"write `{keyword} SOURCE DESTINATION`",
            word=line.command.rest if line.command.rest.text else None,
        )
    *sources, destination = words
    if line.heredocs and opened_heredoc(destination):
        raise wrong(
            line,
            f"{keyword} cannot have a here-document as its destination",
            why="the last argument is where the files go",
            fix=f"write `{keyword} <<EOF /path/of/file`",
            word=line.command.rest,
        )
    pending = list(line.heredocs)
    plain: list[str] = []
    files: list[Heredoc] = []
    for source in sources:
        opened = opened_heredoc(source)
        found = next((item for item in pending if opened and item.name == opened.name), None)
        if found is None:
            plain.append(source)
        else:
            pending.remove(found)
            files.append(found)
    return _Paths(tuple(plain), tuple(files), destination)


def _check_from(line: Line, flags: Flags) -> None:
    flag = flags.flag("from")
    if flag is None:
        return
    if not flag.value:
        raise wrong(
            line,
            "--from names no stage",
            why="it is the name or number of a stage, or an image",
            fix="write --from=STAGE",
            word=flag.word,
        )
    if "$" in flag.value:
        raise wrong(
            line,
            "--from does not take variables",
            why="which stages there are to build must be known before any is built",
            fix="give the image a stage of its own, `FROM $IMAGE AS source`, and copy from that",
            word=flag.word,
        )
