"""What a build begins with: the Dockerfile and its context, wherever they come from.

A context is a directory, `-` for a tar or a Dockerfile on standard input, a Git repository, or
the URL of a tar or a Dockerfile. https://docs.docker.com/build/concepts/context/
"""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from amphora.build.attest.facts import Material
from amphora.build.context_hashes import ContextHashes
from amphora.build.dockerfile.parser import Dockerfile, parse
from amphora.build.fetching import Fetcher
from amphora.build.filetree import FileTree
from amphora.build.fingerprint import FileHashes
from amphora.build.ignore import IgnoreRules
from amphora.build.request import BuildRequest
from amphora.build.unpacking import is_archive, unpack_archive
from amphora.core.errors import ContextError
from amphora.remote.location import is_git, is_remote, parse_git, shown_url
from amphora.system.files import explain_full_disk
from amphora.system.roots import read_in_root
from amphora.system.tasks import in_thread

STDIN = "-"
_DOCKERFILE = "Dockerfile"
_IGNORE_FILE = ".dockerignore"

#: A hundred times the longest Dockerfile, and far from what a machine can hold.
_LONGEST = 16 << 20

#: The build arg with which BuildKit keeps `.git` in a context from Git.
_KEEP_GIT_DIR = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"


class Inputs(Struct, frozen=True):
    """`text` is that of the Dockerfile."""

    dockerfile: Dockerfile
    context: FileTree
    text: str


class Opener:
    """Opens contexts for one build; what has to be unpacked goes to `work`.

    `materials` are those that were fetched, by location.
    """

    def __init__(self, fetcher: Fetcher, work: Path, hashes: ContextHashes) -> None:
        """`hashes` knows what was read of directories before."""
        self._fetcher = fetcher
        self._work = work
        self._hashes = hashes
        self.materials: dict[str, Material] = {}

    async def inputs(self, request: BuildRequest) -> Inputs:
        """The Dockerfile, and the context without what its ignore file leaves out.

        Raises DockerfileError, ContextError, InvalidValueError for a bad pattern in an ignore
        file, and what fetching raises.
        """
        if request.context == request.dockerfile == STDIN:
            raise ContextError(
                "the context and the Dockerfile cannot both be standard input",
                why="there is only one",
                next_command="put the Dockerfile into the tar, or give a directory as context",
            )
        keep = request.build_args.get(_KEEP_GIT_DIR, "") in {"1", "true"}
        place = await self._place(request.context, request.stdin, keep_git_dir=keep)
        name = request.dockerfile or _DOCKERFILE
        if place.is_file():
            root = self._new_directory()
            text = _decoded(place.read_bytes()[: _LONGEST + 1], shown_url(request.context))
            return Inputs(parse(text, name), FileTree(root), text)
        if name == STDIN:
            text = _decoded(request.stdin.read(_LONGEST + 1), "standard input")
            hashes = self._hashes_of(request.context, place)
            return Inputs(parse(text, "Dockerfile"), without_ignored(place, hashes=hashes), text)
        if request.context == STDIN or is_remote(request.context):
            content = read_in_root(place, name, _LONGEST + 1)
            if content is None:
                raise _no_dockerfile(name, "the context has no file of that name")
            text = _decoded(content, name)
            return Inputs(parse(text, name), without_ignored(place, name), text)
        path = Path(request.dockerfile) if request.dockerfile else place / _DOCKERFILE
        text = _decoded(_read(path), str(path))
        own = path.with_name(f"{path.name}{_IGNORE_FILE}")
        hashes = self._hashes.of(place)
        return Inputs(parse(text, str(path)), _tree_without_ignored(place, own, hashes), text)

    async def tree(self, location: str) -> FileTree:
        """A named context: a directory, a Git repository or the URL of a tar.

        Raises ContextError and what fetching raises.
        """
        place = await self._place(location, None)
        if place.is_file():
            raise ContextError(
                f"{shown_url(location)} is no build context",
                why="it is neither a tar nor a Git repository",
                next_command="for a repository, end the URL with .git",
            )
        return without_ignored(place, hashes=self._hashes_of(location, place))

    def _hashes_of(self, location: str, place: Path) -> FileHashes:
        """What was unpacked is new every time."""
        unpacked = location == STDIN or is_git(location) or is_remote(location)
        return FileHashes() if unpacked else self._hashes.of(place)

    async def _place(
        self, location: str, stdin: BinaryIO | None, *, keep_git_dir: bool = False
    ) -> Path:
        """The directory that a location means, or a file if it is no tar."""
        if location == STDIN and stdin is not None:
            file = await in_thread(self._spool, stdin)
            return await in_thread(self._unpacked, file)
        if is_git(location):
            git = parse_git(location)
            commit = await self._fetcher.repositories.pin(git)
            self.materials[location] = Material.of_commit(git, commit)
            keep = keep_git_dir or bool(git.keep_git_dir)
            return await self._fetcher.tree(git, commit, keep_git_dir=keep)
        if is_remote(location):
            download = await self._fetcher.downloads.fetch(location)
            shown = shown_url(location)
            self.materials[location] = Material.of_file(shown, download.digest)
            return await in_thread(self._unpacked, download.path)
        directory = Path(location)
        try:
            is_directory = directory.is_dir()
        except PermissionError as error:
            raise ContextError(
                f"{directory} is no build context for this user",
                why="a directory above it may not be entered",
                next_command="have it opened (chmod +x), or copy the context elsewhere",
            ) from error
        if not is_directory:
            raise ContextError(
                f"{directory} is no build context",
                why="it is not a directory",
                next_command="give the directory that holds the files to COPY, often `.`",
            )
        return directory

    def _spool(self, stdin: BinaryIO) -> Path:
        path = self._work / secrets.token_hex(8)
        with explain_full_disk(self._work), path.open("xb") as file:
            shutil.copyfileobj(stdin, file, 1 << 20)
        return path

    def _unpacked(self, file: Path) -> Path:
        """The contents of a tar, or the file itself if it is none."""
        if not is_archive(file):
            return file
        directory = self._new_directory()
        unpack_archive(file, directory, 0)
        return directory

    def _new_directory(self) -> Path:
        directory = self._work / secrets.token_hex(8)
        directory.mkdir()
        return directory


def without_ignored(
    root: Path, dockerfile: str = _DOCKERFILE, hashes: FileHashes | None = None
) -> FileTree:
    """A directory without what `<Dockerfile>.dockerignore` or `.dockerignore` in it leaves out."""
    hashes = hashes or FileHashes()
    for name in (f"{dockerfile}{_IGNORE_FILE}", _IGNORE_FILE):
        content = read_in_root(root, name, _LONGEST + 1)
        if content is not None:
            return _ignoring(root, _decoded(content, name), name, hashes)
    return FileTree(root, hashes=hashes)


def _tree_without_ignored(root: Path, own: Path, hashes: FileHashes) -> FileTree:
    """The same, where the Dockerfile and what it ignores may lie outside of the directory."""
    ignore_file = own if own.exists() else root / _IGNORE_FILE
    if not ignore_file.exists():
        return FileTree(root, hashes=hashes)
    return _ignoring(root, _decoded(_read(ignore_file), str(ignore_file)), str(ignore_file), hashes)


def _ignoring(root: Path, text: str, name: str, hashes: FileHashes) -> FileTree:
    rules = IgnoreRules.parse(text, name)
    prunes: Callable[[str], bool] = lambda path: not rules.may_contain_exceptions(path)  # noqa: E731
    return FileTree(root, rules.ignores, prunes, hashes)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST + 1)
    except OSError as error:
        raise _no_dockerfile(str(path), error.strerror or "it cannot be read") from error


def _decoded(content: bytes, name: str) -> str:
    if len(content) > _LONGEST:
        raise _no_dockerfile(name, f"it has more than {_LONGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _no_dockerfile(name, "it is not UTF-8 text") from error


def _no_dockerfile(name: str, why: str) -> ContextError:
    return ContextError(
        f"cannot read the Dockerfile {name}",
        why=why,
        next_command="name the right file with -f, or give the right directory",
    )
