"""Who we are for a registry: what `docker login` or `podman login` left behind.

Docker's file comes first, podman's after it. Secrets are never part of a repr, an
error or a log.
https://docs.docker.com/reference/cli/docker/login/ and containers-auth.json(5)
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from amphora.core.errors import RegistryAuthError
from amphora.core.reference import DEFAULT_DOMAIN
from amphora.registry import helpers

#: Under these names logins for Docker Hub are kept; the first is what helpers are asked for.
_DOCKER_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")
#: A user name that says: the secret is an identity token, not a password.
_TOKEN_USER = "<token>"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and a password, or an identity token; `source` names where it was found."""

    username: str
    secret: str = field(repr=False)
    source: str
    is_identity_token: bool = False

    @property
    def basic(self) -> str:
        """The value of an Authorization header with scheme Basic."""
        pair = f"{self.username}:{self.secret}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")

    def __str__(self) -> str:
        user = "an identity token" if self.is_identity_token else f"user {self.username!r}"
        return f"{user} from {self.source}"


class _Login(Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(Struct, frozen=True, rename="camel"):
    auths: dict[str, _Login] | None = None
    cred_helpers: dict[str, str] | None = None
    creds_store: str = ""


async def find_credential(domain: str, environment: Mapping[str, str]) -> Credential | None:
    """The credential for a registry, or None for an anonymous visit.

    Raises RegistryAuthError for a file or an answer of a helper that cannot be read,
    and MissingToolError for a helper that is not installed.
    """
    for path in login_files(environment):
        if path.is_file():
            credential = await _from_file(path, domain, environment)
            if credential is not None:
                return credential
    return None


def login_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Where logins may be kept, in the order they are asked."""
    home = environment.get("HOME") or "/"
    yield Path(environment.get("DOCKER_CONFIG") or f"{home}/.docker", "config.json")
    if environment.get("REGISTRY_AUTH_FILE"):
        yield Path(environment["REGISTRY_AUTH_FILE"])
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    yield Path(runtime, "containers/auth.json")


class Logins(Struct, frozen=True):
    """What a file says without its secrets: hosts with a login, helpers that keep some."""

    path: Path
    hosts: tuple[str, ...]
    helpers: tuple[str, ...]


def read_logins(environment: Mapping[str, str]) -> Iterator[Logins]:
    """The files that are there; raises RegistryAuthError for one that cannot be read."""
    for path in login_files(environment):
        if path.is_file():
            file = _read(path)
            keyed = {**(file.auths or {}), **(file.cred_helpers or {})}
            hosts = dict.fromkeys(map(_host_of, keyed))
            helpers = [*(file.cred_helpers or {}).values(), file.creds_store]
            yield Logins(
                path,
                tuple(DEFAULT_DOMAIN if host in _DOCKER_KEYS else host for host in hosts),
                tuple(dict.fromkeys(filter(None, helpers))),
            )


async def _from_file(path: Path, domain: str, environment: Mapping[str, str]) -> Credential | None:
    logins = _read(path)
    keys = (*_DOCKER_KEYS, domain) if domain == DEFAULT_DOMAIN else (domain,)
    helper = next(
        (name for key, name in (logins.cred_helpers or {}).items() if _host_of(key) in keys),
        logins.creds_store,
    )
    if helper:
        answer = await helpers.ask(helper, keys[0], path, environment)
        if answer is not None:
            source = f"docker-credential-{helper} ({path})"
            is_token = answer.username == _TOKEN_USER
            return Credential(answer.username, answer.secret, source, is_token)
    for key, login in (logins.auths or {}).items():
        if key in keys or _host_of(key) in keys:
            return _credential(login, path)
    return None


def _read(path: Path) -> _File:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        # The error's own words are about the form of the file and quote nothing of it.
        raise unreadable(path, str(error)) from error


def _host_of(key: str) -> str:
    """`https://host/v1/` and `host` are the same; `host/namespace` is something else."""
    host, _, path = key.partition("://")[2].partition("/") if "://" in key else key.partition("/")
    return host if path.strip("/") in {"", "v1", "v2"} else key


def _credential(login: _Login, path: Path) -> Credential | None:
    """None for an empty entry, which is what a login through a helper leaves in the file."""
    username, secret = login.username, login.password
    if login.auth:
        username, secret = _decode(login.auth, path)
    if login.identitytoken:
        return Credential(username, login.identitytoken, str(path), is_identity_token=True)
    return Credential(username, secret, str(path)) if username else None


def _decode(auth: str, path: Path) -> tuple[str, str]:
    try:
        username, colon, secret = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise unreadable(path, "an auth field is not base64 of text") from None
    if not colon:
        raise unreadable(path, "an auth field is not of the form user:password")
    return username, secret.rstrip("\0")


def unreadable(path: Path, why: str) -> RegistryAuthError:
    return RegistryAuthError(
        f"the logins in {path} cannot be read",
        why=why,
        next_command=f"correct {path}, or log in again with `docker login HOST`",
    )
