"""COPY and ADD: which files they mean, and the step that puts them in place."""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from amphora.build import gopath
from amphora.build.copying import CopyRules
from amphora.build.dockerfile import instructions as ast
from amphora.build.fetching import Fetched
from amphora.build.filetree import FileTree, Source
from amphora.build.ignore import IgnoreRules
from amphora.build.metadata import join
from amphora.build.modes import SymbolicMode, parse_mode
from amphora.build.steps import CopyStep
from amphora.core.digest import Digest
from amphora.core.errors import ContextError
from amphora.remote.location import is_remote
from amphora.runtime.spec import User

#: Remembers the digest of files that never change, under a key that says which.
FileDigests: TypeAlias = Callable[[str, Callable[[], Digest]], Digest]


def context_step(
    instruction: ast.Transfer,
    context: FileTree,
    directory: str,
    *,
    work: Path,
    epoch: int | None,
    fetched: Sequence[Fetched] = (),
) -> CopyStep:
    """The step for files of a build context, those written in the Dockerfile, and `fetched` ones.

    `work` is where the second are put; all belongs to root and, with `epoch`, has exactly
    that time. Raises ContextError for a file that is not there or cannot be read.
    """
    local = _local_sources(instruction)
    named = instruction.from_ if isinstance(instruction, ast.Copy) else ""
    with _explaining_unreadable():
        sources = _find(context, instruction, local, named or "the build context")
        sources += _inline_sources(instruction, work)
        content = {"context": str(context.digest(sources))}
    unpack = isinstance(instruction, ast.Add) and instruction.unpack is not False
    rules = CopyRules(owner=User(), mode=_mode(instruction), mtime=epoch, unpack=unpack)

    @contextmanager
    def found() -> Iterator[Sequence[Source]]:
        yield sources

    return _step(instruction, found, content, directory, rules=rules, fetched=fetched)


def tree_step(tree: FileTree, epoch: int | None) -> CopyStep:
    """The step that makes a whole tree the root of an image; raises ContextError."""
    with _explaining_unreadable():
        sources = tree.find("/")
        content = {"context": str(tree.digest(sources))}

    @contextmanager
    def found() -> Iterator[Sequence[Source]]:
        yield sources

    return CopyStep(found, content, "/", "", CopyRules(owner=User(), mtime=epoch))


def _local_sources(instruction: ast.Transfer) -> list[str]:
    """The sources that are paths; raises DockerfileError for a URL that COPY is given."""
    remote = [source for source in instruction.sources if is_remote(source)]
    if remote and isinstance(instruction, ast.Copy):
        raise instruction.source.error(
            "COPY cannot fetch a URL",
            why="it takes files from the build context, from stages and from images",
            fix="write ADD in place of COPY",
            span=instruction.source.span(remote[0]),
        )
    return [source for source in instruction.sources if source not in remote]


def stage_step(
    instruction: ast.Copy,
    mounted: Callable[[], AbstractContextManager[Path]],
    content: FileDigests,
    chain: Digest | None,
    directory: str,
) -> CopyStep:
    """The step for files of another stage or image, whose layers have the chain ID `chain`.

    `mounted` shows them; `content` remembers their digest, which is what counts: a stage that
    is built anew to the same files changes nothing. They keep their owner, as with BuildKit.
    Raises ContextError for a file that is not there.
    """

    @contextmanager
    def found() -> Iterator[Sequence[Source]]:
        with mounted() as root:
            yield _find(FileTree(root), instruction, instruction.sources, instruction.from_)

    def look() -> Digest:
        with mounted() as root:
            tree = FileTree(root)
            sources = _find(tree, instruction, instruction.sources, instruction.from_)
            return tree.digest(sources, owners=True)

    facts = {
        "content of": str(chain),
        "sources": list(instruction.sources),
        "exclude": list(instruction.exclude),
        "parents": instruction.parents,
    }
    key = hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()
    digest = content(key, look)
    rules = CopyRules(mode=_mode(instruction))
    return _step(instruction, found, {"files": str(digest)}, directory, rules=rules)


def _step(
    instruction: ast.Transfer,
    find: Callable[[], AbstractContextManager[Sequence[Source]]],
    content: dict[str, Any],
    directory: str,
    *,
    rules: CopyRules,
    fetched: Sequence[Fetched] = (),
) -> CopyStep:
    destination = join(directory, instruction.destination)
    several = len(instruction.sources) + len(instruction.files) > 1
    if several or instruction.destination.endswith(("/", "/.")) or instruction.destination == ".":
        destination = destination.rstrip("/") + "/"
    return CopyStep(find, content, destination, instruction.chown, rules, instruction.link, fetched)


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


def _find(
    tree: FileTree, instruction: ast.Transfer, patterns: Sequence[str], where: str
) -> list[Source]:
    """What the sources name; a wildcard may match nothing, and --exclude may leave out all."""
    with instruction.source.explain("--exclude is wrong"):
        excludes = IgnoreRules.of(instruction.exclude)
    parents = isinstance(instruction, ast.Copy) and instruction.parents
    find = tree.find_with_parents if parents else tree.find
    found: list[Source] = []
    for pattern in patterns:
        with instruction.source.located(instruction.source.span(pattern)):
            sources = find(pattern, excludes)
            is_there = sources or gopath.has_wildcard(pattern) or find(pattern, IgnoreRules())
        if not is_there:
            raise _missing(instruction, pattern, where)
        found += sources
    return found


def _missing(instruction: ast.Transfer, pattern: str, where: str) -> ContextError:
    or_left_out = ", or .dockerignore leaves it out" if where == "the build context" else ""
    return ContextError(
        f"{instruction.keyword} cannot find {pattern!r}",
        why=f"nothing of that name is in {where}{or_left_out}",
        next_command="correct the path; it is relative to the root of where it comes from",
        excerpt=instruction.source.excerpt(instruction.source.span(pattern)),
    )


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


def _mode(instruction: ast.Transfer) -> int | SymbolicMode | None:
    if not instruction.chmod:
        return None
    span = instruction.source.span(instruction.chmod)
    with instruction.source.explain(
        "--chmod is wrong", span, fix="give it as in --chmod=755 or --chmod=u=rwX,go=rX"
    ):
        return parse_mode(instruction.chmod)
