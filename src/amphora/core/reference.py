"""Image references: `[domain/]path[:tag][@digest]`.

The grammar is the distribution project's; the short forms (`debian`, `me/app`)
are completed as docker completes them.
https://github.com/distribution/reference/blob/v0.6.0/reference.go
"""

import re
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
#: What many clients and registries accept of a repository's name, domain included:
#: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests
MAX_NAME_LENGTH = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Reference(Struct, frozen=True):
    """A repository in a registry, and a tag or digest in it.

    `domain` is `host[:port]`; `path` is the repository without it. With a digest,
    the tag only informs.
    """

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference as docker does; a missing tag becomes `latest`.

        Raises InvalidValueError, saying which part is wrong.
        """
        if re.fullmatch(r"[a-f0-9]{64}", text):
            raise _invalid(text, "64 hex digits are an image ID, not a name")
        name, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        domain, remainder = _split_domain(name)
        path, colon, tag = remainder.partition(":")
        if domain == DEFAULT_DOMAIN and "/" not in path:
            path = f"library/{path}"
        if not _DOMAIN.fullmatch(domain):
            raise _invalid(text, f"{domain!r} is not a host name")
        if not _PATH.fullmatch(path):
            raise _invalid(text, _why_path_is_wrong(path))
        if len(domain) + 1 + len(path) > MAX_NAME_LENGTH:
            raise _invalid(text, f"the repository name is longer than {MAX_NAME_LENGTH} characters")
        if colon and not _TAG.fullmatch(tag):
            raise _invalid(text, f"{tag[:40]!r} is not a tag")
        if not colon:
            return cls(domain, path, None if digest else DEFAULT_TAG, digest)
        return cls(domain, path, tag, digest)

    @property
    def repository(self) -> str:
        """`domain/path`, without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest if there is one, else the tag."""
        return str(self.digest) if self.digest else (self.tag or DEFAULT_TAG)

    @property
    def familiar(self) -> str:
        """The short form that people type and docker prints; it parses back to the same."""
        return self._short_name() + self._suffix()

    def with_digest(self, digest: Digest) -> Self:
        return replace(self, digest=digest)

    def _short_name(self) -> str:
        official = self.path.removeprefix("library/")
        short = self.path if "/" in official else official
        # What looks like a host would be taken for one without the domain before it.
        readable = _split_domain(short) == (self.domain, short)
        return short if readable else self.repository

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag

    def __str__(self) -> str:
        return self.repository + self._suffix()


def _split_domain(name: str) -> tuple[str, str]:
    """Docker's rule: the first part is a host only if it looks like one."""
    first, slash, rest = name.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not looks_like_host:
        return DEFAULT_DOMAIN, name
    return (DEFAULT_DOMAIN if first == "index.docker.io" else first), rest


def _why_path_is_wrong(path: str) -> str:
    if path != path.lower():
        return "a repository name must be lower case"
    return f"{path[:60]!r} is not a repository name"


def _invalid(text: str, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{text[:100]!r} is not an image reference",
        why=why,
        next_command="write it as [HOST[:PORT]/]NAME[:TAG], for example localhost:5000/hello:1.0",
    )
