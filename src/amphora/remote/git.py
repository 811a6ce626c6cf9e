"""Git repositories: a branch or tag pinned to a commit, and the files of a commit.

The `git` program does it, with a configuration of our own: no hook, no filter, no rewriting
of URLs and no transport but https, http, ssh and git. Of the user's configuration only the
credential helpers count. Files get the time of their commit and the modes 644 and 755, so
that equal commits make equal layers.
"""

import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from amphora.core.errors import DigestMismatchError, FetchError
from amphora.oci.workspace import remove_tree
from amphora.remote.authorization import Authorizations
from amphora.remote.location import GitLocation, host_of, is_commit
from amphora.system.process import find_tool, stream
from amphora.system.tasks import in_thread

_LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(\S+)")
_MOST_OUTPUT = 16 << 20
_GIT_DIRECTORY = ".git"

#: What git says of a server that wants to know who asks.
_PASSWORD_WANTED = ("could not read Username", "Authentication failed")

_CONFIGURATION = """\
[core]
    hooksPath = /dev/null
    attributesFile = /dev/null
    excludesFile = /dev/null
    fsmonitor = false
    symlinks = true
    autocrlf = false
[init]
    defaultBranch = main
    templateDir =
[gc]
    auto = 0
[advice]
    detachedHead = false
[fetch]
    recurseSubmodules = false
"""


class Checkout(Struct, frozen=True):
    """The files of a commit, in a directory of their own; `committed` is in seconds since 1970."""

    root: Path
    commit: str
    committed: int


class Repositories:
    """Fetches commits into `work`, this process's workspace."""

    def __init__(
        self,
        work: Path,
        authorizations: Authorizations | None = None,
        agent: Callable[[], AbstractAsyncContextManager[Path]] | None = None,
    ) -> None:
        """`authorizations` are for HTTP; `agent` has the socket of one that holds keys for SSH.

        Without them, whoever is in URLs, in credential helpers and at SSH_AUTH_SOCK asks.
        """
        self._work = work
        self._authorizations = authorizations or Authorizations()
        self._agent = agent
        self._configuration: Path | None = None

    async def pin(self, location: GitLocation) -> str:
        """The commit that a location means now.

        Raises FetchError, MissingToolError, InvalidValueError for a token that cannot be sent,
        and DigestMismatchError where it is not the one that the location's checksum asks for.
        """
        commit = location.ref
        if not is_commit(commit):
            commit = await self._look_up(location)
        if not commit.startswith(location.checksum):
            raise DigestMismatchError(
                f"{location.shown} is not at the commit that its checksum asks for",
                why=f"{location.ref or 'HEAD'} is {commit}, and {location.checksum} was expected",
                next_command="find out why it moved before you change the checksum",
            )
        return commit

    async def checkout(
        self, location: GitLocation, commit: str, *, keep_git_dir: bool = False
    ) -> Checkout:
        """Fetch a commit and lay its files out, submodules included.

        Raises FetchError, MissingToolError and DiskFullError.
        """
        root = self._work / secrets.token_hex(8)
        root.mkdir()
        await self._git(location, "init", "--quiet", str(root))
        at = ("-C", str(root))
        await self._git(location, *at, "remote", "add", "origin", location.shown)
        await self._fetch(location, at, commit)
        await self._git(location, *at, "checkout", "--quiet", "--detach", commit)
        if location.submodules and (root / ".gitmodules").is_file():
            update = ("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1")
            await self._ask(location, *at, *update)
        said = await self._git(location, *at, "log", "-1", "--format=%ct", commit)
        committed = int(said.split()[-1])
        await in_thread(_make_even, root, committed, keep_git_dir=keep_git_dir)
        return Checkout(root, commit, committed)

    async def _look_up(self, location: GitLocation) -> str:
        ref = location.ref or "HEAD"
        said = await self._ask(location, "ls-remote", "--", location.remote, ref, f"{ref}^{{}}")
        found: dict[str, str] = {name: commit for commit, name in _LINE.findall(said)}
        # A tag is meant before a branch (gitrevisions(7)), and what it points at before itself.
        for name in (ref, f"refs/{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}"):
            for spelling in (f"{name}^{{}}", name):
                if spelling in found:
                    return found[spelling]
        raise FetchError(
            f"{location.shown} has no branch and no tag {ref!r}",
            why="a commit must be named by all of its 40 digits",
            next_command=f"list what it has: git ls-remote {location.shown}",
        )

    async def _fetch(self, location: GitLocation, at: Sequence[str], commit: str) -> None:
        """One commit alone; of servers that do not give out any commit, all branches and tags."""
        quiet = ("fetch", "--quiet", "--no-tags")
        try:
            await self._ask(location, *at, *quiet, "--depth=1", "--", location.remote, commit)
        except FetchError:
            branches = "+refs/heads/*:refs/remotes/origin/*"
            tags = "+refs/tags/*:refs/tags/*"
            await self._ask(location, *at, *quiet, "--", location.remote, branches, tags)

    async def _ask(self, location: GitLocation, *arguments: str) -> str:
        """Run git, which tells the server who asks; as _git."""
        async with self._known(location) as known:
            return await self._git(location, *arguments, known=known)

    async def _git(
        self, location: GitLocation, *arguments: str, known: Mapping[str, str] | None = None
    ) -> str:
        """Run git; returns what it said. Raises FetchError with its last words."""
        command = [find_tool("git", "git"), *arguments]
        status, said = await _run(command, {**await self._environment(), **(known or {})})
        if status != 0:
            raise _failed(location, said)
        return said

    @asynccontextmanager
    async def _known(self, location: GitLocation) -> AsyncIterator[dict[str, str]]:
        """The variables that say who asks, as long as they do."""
        if location.remote.startswith(("http://", "https://")):
            yield self._authorized(location)
        elif self._agent is not None and not location.remote.startswith("git://"):
            async with self._agent() as socket:
                yield {"SSH_AUTH_SOCK": str(socket)}
        else:
            yield {}

    def _authorized(self, location: GitLocation) -> dict[str, str]:
        """A header for the server of the repository alone; in no command line and on no disk.

        https://git-scm.com/docs/git-config#Documentation/git-config.txt-GITCONFIGCOUNT
        """
        header = self._authorizations.of_repository(location.remote)
        if header is None:
            return {}
        scheme = location.remote.partition(":")[0]
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{scheme}://{host_of(location.remote)}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {header}",
        }

    async def _environment(self) -> dict[str, str]:
        if self._configuration is None:
            path = self._work / secrets.token_hex(4)
            path.write_text(_CONFIGURATION, encoding="utf-8")
            path.chmod(0o600)
            for key, value in await _credential_settings():
                command = [find_tool("git", "git"), "config", "--file", str(path)]
                await _run([*command, "--add", key, value], {})
            self._configuration = path
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {
            **passed,
            "GIT_CONFIG_GLOBAL": str(self._configuration),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_ALLOW_PROTOCOL": "https:http:ssh:git",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
        }


#: How to reach servers, and as whom: what the user set for this very purpose.
_PASSED_ON = ("SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "SSL_CERT_FILE")


async def _credential_settings() -> list[tuple[str, str]]:
    """The `credential.…` keys of the user's own configuration, in their order."""
    command = [find_tool("git", "git"), "config", "--global", "--includes", "--null"]
    _, said = await _run([*command, "--get-regexp", r"^credential\."], {})
    pairs = (item.partition("\n") for item in said.split("\0"))
    return [(key, value) for key, _, value in pairs if key.startswith("credential.")]


async def _run(command: Sequence[str], extra: dict[str, str]) -> tuple[int, str]:
    output = bytearray()

    def keep(chunk: bytes) -> None:
        del output[: max(0, len(output) + len(chunk) - _MOST_OUTPUT)]
        output.extend(chunk)

    status = await stream(command, keep, extra_environment=extra)
    return status, output.decode(errors="replace")


def _failed(location: GitLocation, said: str) -> FetchError:
    secret = urlsplit(location.remote).password if "://" in location.remote else None
    if secret:
        said = said.replace(secret, "***")
    lines = [line.strip() for line in said.splitlines() if line.strip()][-3:]
    wants_password = any(words in said for words in _PASSWORD_WANTED)
    return FetchError(
        f"cannot fetch {location.shown}",
        why="; ".join(lines) or "git said nothing",
        next_command="give a token: --secret id=GIT_AUTH_TOKEN,env=TOKEN"
        if wants_password
        else f"try it by hand: git ls-remote {location.shown}",
    )


def _make_even(root: Path, committed: int, *, keep_git_dir: bool) -> None:
    """Have nothing depend on when and under which umask the files were laid out."""
    if not keep_git_dir:
        remove_tree(root / _GIT_DIRECTORY)
    for place, directories, files in os.walk(root, topdown=False):
        directory = Path(place)
        for name in files:
            path = directory / name
            if name == _GIT_DIRECTORY and not keep_git_dir:
                path.unlink()  # where a submodule's is
                continue
            if not path.is_symlink():
                path.chmod(0o755 if path.lstat().st_mode & 0o100 else 0o644)
            os.utime(path, (committed, committed), follow_symlinks=False)
        for name in directories:
            if (directory / name).is_symlink():
                os.utime(directory / name, (committed, committed), follow_symlinks=False)
        directory.chmod(0o755)
        os.utime(directory, (committed, committed))
