"""What a URL means to a build: a Git repository or a file, and how it may be shown.

https://docs.docker.com/build/concepts/context/#git-repositories and #url-queries
"""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.errors import InvalidValueError

_SCHEMES = ("http", "https", "git", "ssh")
_SCP = re.compile(r"(?P<remote>[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!//)[^#?]+)(?:#(?P<fragment>.*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CHECKSUM = re.compile(r"[0-9a-f]{1,64}")

#: The names in a query that mean each part.
_QUERY = {
    "ref": "ref",
    "tag": "ref",
    "branch": "ref",
    "subdir": "directory",
    "commit": "checksum",
    "checksum": "checksum",
    "keep-git-dir": "keep_git_dir",
    "submodules": "submodules",
    "mtime": "mtime",
}
_NAMESPACES = {"tag": "refs/tags/", "branch": "refs/heads/"}


class GitLocation(Struct, frozen=True):
    """A repository, the branch, tag or commit in it, and the directory that counts.

    `checksum` is how the commit has to begin, or empty. None: the user did not say.
    """

    remote: str
    ref: str = ""
    directory: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True

    @property
    def shown(self) -> str:
        """The repository without the password that may be in its URL."""
        return shown_url(self.remote)


def is_remote(text: str) -> bool:
    """Is it a URL or a Git repository, rather than a path?"""
    return text.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)) or is_git(text)


def is_git(text: str) -> bool:
    """Does it name a Git repository? Over HTTP those whose path ends in `.git` do."""
    if _SCP.fullmatch(text):
        return True
    parts = _split(text)
    if parts is None or parts.scheme in {"git", "ssh"}:
        return parts is not None
    return parts.scheme in {"http", "https"} and parts.path.endswith(".git")


def parse_git(text: str) -> GitLocation:
    """Read `URL[#REF[:DIRECTORY]]` or `URL?ref=REF&subdir=DIRECTORY`, for which is_git is true.

    Raises InvalidValueError for a query that means nothing.
    """
    scp = _SCP.fullmatch(text)
    if scp is not None:
        return _with_fragment(GitLocation(scp["remote"]), scp["fragment"] or "")
    parts = urlsplit(text)
    location = GitLocation(urlunsplit(parts._replace(query="", fragment="")))
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        location = _with_query(text, location, name, value)
    if parts.fragment and location.ref:
        raise _wrong(text, "both its query and its fragment say which commit")
    return _with_fragment(location, parts.fragment)


def is_commit(ref: str) -> bool:
    """Is it the whole name of a commit?"""
    return _COMMIT.fullmatch(ref) is not None


def shown_url(url: str) -> str:
    """A URL for messages and cache keys: no password, no query (it may hold a signature)."""
    parts = _split(url)
    if parts is None:
        return f"{url.partition('://')[0]}://…"
    return (
        urlunsplit(parts._replace(netloc=host_of(url), query="", fragment=""))
        if parts.scheme
        else url
    )


def path_of(url: str) -> str:
    """The path in a URL; empty if it cannot be read."""
    parts = _split(url)
    return parts.path if parts else ""


def host_of(url: str) -> str:
    """The host in a URL, with its port if one is named; empty if it cannot be read."""
    parts = _split(url)
    return parts.netloc.rpartition("@")[2] if parts else ""


def _split(text: str) -> SplitResult | None:
    """The parts of a URL; None for one that Python refuses, as with half an IPv6 address."""
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _with_fragment(location: GitLocation, fragment: str) -> GitLocation:
    ref, _, directory = fragment.partition(":")
    return replace(location, ref=ref or location.ref, directory=directory or location.directory)


def _with_query(text: str, location: GitLocation, name: str, value: str) -> GitLocation:
    field = _QUERY.get(name)
    if field is None:
        raise _wrong(text, f"{name[:40]!r} in its query is none of {', '.join(_QUERY)}")
    if field == "submodules":
        return replace(location, submodules=_switch(text, name, value))
    if field == "keep_git_dir":
        return replace(location, keep_git_dir=_switch(text, name, value))
    if field == "checksum":
        if not _CHECKSUM.fullmatch(value):
            raise _wrong(text, f"{name} is the hexadecimal name of a commit")
        return replace(location, checksum=value, ref=location.ref or _whole(value))
    if field == "mtime":
        if value != "commit":
            raise _wrong(text, "files have the time of their commit always, mtime=commit")
        return location
    if field == "directory":
        return replace(location, directory=value)
    if location.ref and not is_commit(location.ref):
        raise _wrong(text, "its query says twice which commit")
    return replace(location, ref=_NAMESPACES.get(name, "") + value)


def _switch(text: str, name: str, value: str) -> bool:
    if value not in {"", "0", "1", "true", "false"}:
        raise _wrong(text, f"{name} is true or false")
    return value not in {"0", "false"}


def _whole(checksum: str) -> str:
    return checksum if is_commit(checksum) else ""


def _wrong(text: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{shown_url(text)[:200]} is not the location of a Git repository",
        why=why,
        next_command="write it as in https://host/name.git#v1.0:directory",
    )
