"""ADD of what is not in the context: URLs and Git repositories.

https://docs.docker.com/reference/dockerfile/#add
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from pathlib import Path
from posixpath import basename
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from amphora.build.agents import short_path
from amphora.build.attachments import AgentAttachment
from amphora.build.attest.facts import Material
from amphora.build.dockerfile import instructions as ast
from amphora.build.filetree import Entry, FileTree, Source
from amphora.build.ignore import IgnoreRules
from amphora.build.run_options import RunOptions
from amphora.core.digest import Digest
from amphora.core.errors import ContextError, DockerfileError
from amphora.remote.authorization import Authorizations
from amphora.remote.git import Repositories
from amphora.remote.location import (
    GitLocation,
    is_git,
    is_remote,
    parse_git,
    path_of,
    shown_url,
)
from amphora.system.roots import resolve_in_root

if TYPE_CHECKING:
    from amphora.remote.download import Downloads

#: What others than root may not read until somebody says so.
_DOWNLOADED_MODE = 0o600

#: The agent of --ssh that fetches.
_AGENT = "default"


class Fetched(Struct, frozen=True):
    """One remote source of an ADD: `content` says what it is, in plain JSON values.

    `obtain` has it on disk, when a step really needs it.
    """

    content: object
    obtain: Callable[[], Awaitable[Source]]
    material: Material


class Fetcher:
    """Fetches for one build; every URL and every commit once."""

    def __init__(self, store_root: Path, work: Path, options: RunOptions) -> None:
        """Servers are told who asks by the tokens among the secrets, and the default agent."""
        self._store_root = store_root
        self._work = work
        self._authorizations = Authorizations(options.secrets)
        keys = options.agents.get(_AGENT)
        agent = None if keys is None else partial(_listening, keys, work)
        self.repositories = Repositories(work, self._authorizations, agent)

    @cached_property
    def downloads(self) -> "Downloads":
        """Made when there is something to fetch: most builds need no HTTP client."""
        from amphora.remote.download import Downloads  # noqa: PLC0415

        return Downloads(self._store_root, self._work, self._authorizations)

    async def fetch(self, instruction: ast.Add) -> list[Fetched]:
        """The remote sources of an ADD, in their order.

        Raises DockerfileError for a --checksum that means nothing, FetchError,
        DigestMismatchError, InvalidValueError, MissingToolError and DiskFullError.
        """
        remote = [source for source in instruction.sources if is_remote(source)]
        _check_checksum(instruction, remote)
        return [await self._fetch(instruction, source) for source in remote]

    async def tree(self, location: GitLocation, commit: str, *, keep_git_dir: bool) -> Path:
        """The directory of a location in a fresh checkout; raises ContextError if there is none."""
        checkout = await self.repositories.checkout(location, commit, keep_git_dir=keep_git_dir)
        root = resolve_in_root(checkout.root, location.directory)
        if not root.is_dir():
            raise ContextError(
                f"{location.shown} has no directory {location.directory!r}",
                why=f"there is none of that name in commit {commit}",
                next_command="correct what follows the colon, or subdir, in its URL",
            )
        return root

    async def _fetch(self, instruction: ast.Add, source: str) -> Fetched:
        with instruction.source.located(instruction.source.span(source)):
            if is_git(source):
                return await self._repository(instruction, parse_git(source))
            return await self._file(instruction, source)

    async def _repository(self, instruction: ast.Add, location: GitLocation) -> Fetched:
        if instruction.checksum:
            location = replace(location, checksum=instruction.checksum)
        keep = instruction.keep_git_dir or bool(location.keep_git_dir)
        commit = await self.repositories.pin(location)
        content = {
            "git": location.shown,
            "commit": commit,
            "directory": location.directory,
            "keep": keep,
            "submodules": location.submodules,
            "exclude": list(instruction.exclude),
        }

        async def obtain() -> Source:
            root = await self.tree(location, commit, keep_git_dir=keep)
            [found] = FileTree(root).find("/", IgnoreRules.of(instruction.exclude))
            return replace(found, unpack=False)

        return Fetched(content, obtain, Material.of_commit(location, commit))

    async def _file(self, instruction: ast.Add, url: str) -> Fetched:
        name = file_name(url)
        if not name and instruction.destination.endswith("/"):
            raise ContextError(
                f"{shown_url(url)} gives the file no name",
                why="its path is empty, and the destination is a directory",
                next_command="end the destination with the name of the file",
            )
        checksum = Digest.parse(instruction.checksum) if instruction.checksum else None
        download = await self.downloads.fetch(url, checksum)
        source = Source(
            name,
            [Entry("", download.path, download.path.lstat())],
            mode=_DOWNLOADED_MODE,
            mtime=download.modified,
            unpack=bool(instruction.unpack),
        )
        content = {"digest": str(download.digest), "name": name, "modified": download.modified}

        async def obtain() -> Source:
            return source

        return Fetched(content, obtain, Material.of_file(shown_url(url), download.digest))


@asynccontextmanager
async def _listening(keys: Sequence[Path], work: Path) -> AsyncIterator[Path]:
    """The socket of an agent with these keys, or of the one that they name."""
    async with AgentAttachment(target="", id=_AGENT, paths=keys, private=work).attached() as bind:
        with short_path(bind.source.parent) as directory:
            yield directory / bind.source.name


def file_name(url: str) -> str:
    """What the path of a URL ends in, as BuildKit names the file; empty if there is nothing."""
    name = basename(unquote(path_of(url)).rstrip("/"))
    return "" if name in {".", ".."} else name.replace("\0", "")


def _check_checksum(instruction: ast.Add, remote: Sequence[str]) -> None:
    if not instruction.checksum:
        return
    if len(instruction.sources) + len(instruction.files) != 1 or not remote:
        raise _wrong_checksum(instruction, "it is for one source, which is a URL or a repository")
    if is_git(remote[0]):
        if not re.fullmatch(r"[0-9a-f]{1,64}", instruction.checksum):
            raise _wrong_checksum(instruction, "of a Git repository it is the name of a commit")
    else:
        with instruction.source.explain(
            "--checksum is wrong", instruction.source.span(instruction.checksum)
        ):
            Digest.parse(instruction.checksum)


def _wrong_checksum(instruction: ast.Add, why: str) -> DockerfileError:
    return instruction.source.error(
        "--checksum is wrong",
        why=why,
        fix="give it as in --checksum=sha256:… in an ADD of its own",
        span=instruction.source.span("--checksum"),
    )
