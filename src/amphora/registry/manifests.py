"""Fetching manifests: by name or digest, bounded, verified, and of a kind we know."""

import hashlib

import httpx2
import msgspec
from msgspec import Struct

from amphora.core.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from amphora.core.digest import HEX_LENGTHS, Digest
from amphora.core.errors import DigestMismatchError, InvalidValueError, ManifestError
from amphora.registry.session import Ask, Reply, Session

KNOWN_TYPES = INDEX_TYPES | MANIFEST_TYPES
SCHEMA_1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
_ACCEPT = ", ".join(sorted(KNOWN_TYPES))
#: Types that servers give to files they do not know; the manifest itself says more.
_VAGUE_TYPES = frozenset({"", "application/json", "application/octet-stream", "text/plain"})


class _Kind(Struct, frozen=True, rename="camel"):
    schema_version: int = 0
    media_type: str = ""


def pull_scope(repository: str) -> frozenset[str]:
    """https://distribution.github.io/distribution/spec/auth/scope/"""
    return frozenset({f"repository:{repository}:pull"})


async def resolve(session: Session, repository: str, target: str) -> Descriptor:
    """What a tag or digest names. HEAD is enough where the registry answers it in full."""
    reply = await session.request(_ask("HEAD", repository, target, {200, 404, 405}))
    if reply.status == 200:
        descriptor = _from_headers(reply.headers, repository, target)
        if descriptor is not None:
            return descriptor
    descriptor, _ = await fetch(session, repository, target)
    return descriptor


async def fetch(session: Session, repository: str, target: str) -> tuple[Descriptor, bytes]:
    """A manifest and its descriptor; the bytes are what its digest says.

    Raises NotFoundError, DigestMismatchError, ManifestError (schema 1, or a media type
    that is not the one it says itself) and RegistryError (not a manifest at all).
    """
    reply = await session.request(_ask("GET", repository, target, {200}))
    named = _parse_digest(target)
    promised = _parse_digest(reply.headers.get("docker-content-digest", ""))
    media_type = _media_type(session, reply, repository, target)
    for expected in (named, promised):
        if expected is not None and _digest(expected.algorithm, reply.body) != expected:
            actual = _digest(expected.algorithm, reply.body)
            raise _lied(f"manifest {repository}@{expected}", str(expected), str(actual))
    digest = named or promised or Digest.of(reply.body)
    return Descriptor(media_type, digest, len(reply.body)), reply.body


def _ask(method: str, repository: str, target: str, accept: set[int]) -> Ask:
    return Ask(
        f"read {_written(repository, target)}",
        method,
        f"/v2/{repository}/manifests/{target}",
        pull_scope(repository),
        frozenset(accept),
        {"Accept": _ACCEPT},
    )


def _from_headers(headers: httpx2.Headers, repository: str, target: str) -> Descriptor | None:
    """A descriptor if the headers are complete; None sends us to read the manifest itself."""
    media_type = _essence(headers)
    _refuse_schema_1(media_type, repository, target)
    digest = _parse_digest(headers.get("docker-content-digest", ""))
    length = headers.get("content-length", "")
    if digest is None or media_type not in KNOWN_TYPES or not length.isdigit():
        return None
    named = _parse_digest(target)
    if named is not None and named.algorithm == digest.algorithm and named != digest:
        raise _lied(f"manifest {repository}@{target}", target, str(digest))
    return Descriptor(media_type, named or digest, int(length))


def _media_type(session: Session, reply: Reply, repository: str, target: str) -> str:
    """What kind of manifest an answer is, by its header and by what it says itself."""
    essence, kind = _essence(reply.headers), _kind(reply.body)
    if kind is not None and kind.schema_version == 1:
        _refuse_schema_1(next(iter(SCHEMA_1_TYPES)), repository, target)
    _refuse_schema_1(essence, repository, target)
    media_type = (kind.media_type if kind else "") if essence in _VAGUE_TYPES else essence
    if kind is None or media_type not in KNOWN_TYPES:
        said = f"the answer is {media_type or essence or 'of no type'}, not a manifest"
        raise session.nonsense(f"read {_written(repository, target)}", said)
    if kind.media_type not in {"", media_type}:
        raise ManifestError(
            f"{_written(repository, target)} is malformed",
            why=f"it was served as {media_type} and calls itself {kind.media_type[:100]!r}",
            next_command="ask whoever made the image to push it again",
        )
    return media_type


def _kind(body: bytes) -> _Kind | None:
    try:
        return msgspec.json.decode(body, type=_Kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _essence(headers: httpx2.Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse_schema_1(media_type: str, repository: str, target: str) -> None:
    if media_type in SCHEMA_1_TYPES:
        raise ManifestError(
            f"{_written(repository, target)} is a docker schema 1 image",
            why="that format was given up in 2017; it names no platform and no config",
            next_command="pull and push it once with an old docker, which converts it",
        )


def _parse_digest(text: str) -> Digest | None:
    if text.partition(":")[0] not in HEX_LENGTHS:
        return None
    try:
        return Digest.parse(text)
    except InvalidValueError:
        return None


def _digest(algorithm: str, content: bytes) -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, content).hexdigest())


def _written(repository: str, target: str) -> str:
    return f"{repository}{'@' if ':' in target else ':'}{target}"


def _lied(name: str, expected: str, actual: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{name} is not what the registry says it is",
        why=f"expected {expected} but got {actual}",
        next_command="try again; if it persists, do not trust this registry",
    )
