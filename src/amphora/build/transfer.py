"""COPY and ADD: which files they mean, and the step that puts them in place."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from amphora.build import gopath
from amphora.build.copying import CopyRules
from amphora.build.dockerfile import instructions as ast
from amphora.build.filetree import FileTree, Source
from amphora.build.metadata import join
from amphora.build.steps import CopyStep
from amphora.core.digest import Digest
from amphora.core.errors import ContextError, DockerfileError
from amphora.runtime.spec import User

_REMOTE = ("http://", "https://", "git@", "git://", "ssh://")


def context_step(
    instruction: ast.Transfer, context: FileTree, directory: str, work: Path, epoch: int | None
) -> CopyStep:
    """The step for files of the build context, and for those written in the Dockerfile.

    `work` is where the latter are put; what comes from the context belongs to root
    and, with `epoch`, has exactly that time. Raises ContextError for a file that is
    not there or cannot be read.
    """
    _refuse_unfinished(instruction)
    with _explaining_unreadable():
        sources = [*_find(context, instruction, "the build context")]
        sources += _inline_sources(instruction, work)
        content = {"context": str(context.digest(sources))}
    unpack = isinstance(instruction, ast.Add) and instruction.unpack is not False
    rules = CopyRules(owner=User(), mode=_mode(instruction), mtime=epoch, unpack=unpack)

    @contextmanager
    def found() -> Iterator[Sequence[Source]]:
        yield sources

    return _step(instruction, found, content, directory, rules)


def stage_step(
    instruction: ast.Copy,
    mounted: Callable[[], AbstractContextManager[Path]],
    chain: Digest | None,
    directory: str,
) -> CopyStep:
    """The step for files of another stage or image, whose layers have the chain ID `chain`.

    `mounted` shows them. What is copied keeps its owner, as with BuildKit.
    """
    _refuse_unfinished(instruction)
    content = {"image": str(chain), "sources": list(instruction.sources)}

    @contextmanager
    def found() -> Iterator[Sequence[Source]]:
        with mounted() as root:
            yield _find(FileTree(root), instruction, instruction.from_)

    return _step(instruction, found, content, directory, CopyRules(mode=_mode(instruction)))


def _step(
    instruction: ast.Transfer,
    find: Callable[[], AbstractContextManager[Sequence[Source]]],
    content: dict[str, Any],
    directory: str,
    rules: CopyRules,
) -> CopyStep:
    destination = join(directory, instruction.destination)
    several = len(instruction.sources) + len(instruction.files) > 1
    if several or instruction.destination.endswith(("/", "/.")) or instruction.destination == ".":
        destination = destination.rstrip("/") + "/"
    return CopyStep(find, content, destination, instruction.chown, rules)


@contextmanager
def _explaining_unreadable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ContextError(
            f"cannot read {error.filename} of the build context",
            why=str(error.strerror).lower(),
            next_command="make it readable, or leave it out with .dockerignore",
        ) from error


def _find(tree: FileTree, instruction: ast.Transfer, where: str) -> list[Source]:
    """What the sources name; a wildcard may match nothing, as with BuildKit."""
    found: list[Source] = []
    for pattern in instruction.sources:
        sources = tree.find(pattern)
        if not sources and not gopath.has_wildcard(pattern):
            raise ContextError(
                f"{instruction.keyword} cannot find {pattern!r}",
                why=f"nothing of that name is in {where}"
                + (", or .dockerignore leaves it out" if where == "the build context" else ""),
                next_command="correct the path; it is relative to the root of where it comes from",
                excerpt=instruction.source.excerpt(instruction.source.span(pattern)),
            )
        found += sources
    return found


def _inline_sources(instruction: ast.Transfer, work: Path) -> list[Source]:
    """The heredocs of `COPY <<name`, as files."""
    found: list[Source] = []
    for file in instruction.files:
        content = file.body.encode()
        directory = work / hashlib.sha256(content).hexdigest()
        directory.mkdir(exist_ok=True)
        path = directory / gopath.clean(f"/{file.name}").lstrip("/").replace("/", "_")
        _write_once(path, content)
        found += FileTree(directory).find(path.name)
    return found


def _write_once(path: Path, content: bytes) -> None:
    """All platforms share the file, and its time, that the first of them makes."""
    temporary = path.with_name(f".{secrets.token_hex(4)}")
    temporary.write_bytes(content)
    temporary.chmod(0o644)
    with suppress(FileExistsError):
        path.hardlink_to(temporary)
    temporary.unlink()


def _mode(instruction: ast.Transfer) -> int | None:
    if not instruction.chmod:
        return None
    try:
        mode = int(instruction.chmod, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise instruction.source.error(
            "--chmod is wrong",
            why=f"{instruction.chmod!r} is not an octal mode",
            fix="give it as in --chmod=755",
            span=instruction.source.span(instruction.chmod),
        )
    return mode


def _refuse_unfinished(instruction: ast.Transfer) -> None:
    """What the language has and this version does not carry out yet."""
    if instruction.exclude:
        raise _unfinished(instruction, "--exclude")
    if isinstance(instruction, ast.Copy) and instruction.parents:
        raise _unfinished(instruction, "--parents")
    if isinstance(instruction, ast.Add):
        remote = next((name for name in instruction.sources if name.startswith(_REMOTE)), None)
        if remote or instruction.checksum:
            raise _unfinished(instruction, remote or "--checksum")


def _unfinished(instruction: ast.Transfer, word: str) -> DockerfileError:
    return instruction.source.error(
        f"{instruction.keyword} {word} is not supported yet",
        why="this version of Amphora copies files and directories as they are",
        fix="use RUN for what it would do, or list the files",
        span=instruction.source.span(word),
    )
