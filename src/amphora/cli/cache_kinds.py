"""The kinds of caches: their options, and what the environment says where they do not.

Names and variables are those of buildx and BuildKit. Each reader raises ValueError with the
reason.
https://docs.docker.com/build/cache/backends/
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from amphora.build.caches.places import Directory, InActions, InBucket, Inline, Repository
from amphora.core.reference import Reference
from amphora.remote.keepers import ActionsService, Bucket, Login

_DURATION = re.compile(r"((?P<hours>\d{1,6})h)?((?P<minutes>\d{1,6})m)?((?P<seconds>\d{1,6})s)?")
#: The service takes keys of 512 characters, and a step's has 64.
_LONGEST_SCOPE = 200
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
#: What buildx has to be asked for and is always so here: an image manifest with OCI's types.
_ALWAYS = {"image-manifest": "true", "oci-mediatypes": "true"}


class Fields(Struct, frozen=True):
    """What was written, and the environment, for a cache of one type."""

    type: str
    writes: bool
    given: Mapping[str, str]
    environment: Mapping[str, str]

    def text(self, option: str, *variables: str, default: str = "") -> str:
        """The option; or the first of these variables that is set; or the default."""
        told = (self.environment.get(variable, "") for variable in variables)
        return self.given.get(option) or next(filter(None, told), default)

    def needed(self, option: str, *variables: str) -> str:
        value = self.text(option, *variables)
        if not value:
            also = "".join(f" or ${variable}" for variable in variables)
            raise ValueError(f"type={self.type} needs {option}{also}")
        return value

    def truth(self, option: str) -> bool:
        value = self.text(option, default="false")
        if value not in _TRUTHS:
            raise ValueError(f"{option} is true or false")
        return _TRUTHS[value]

    def duration(self, option: str, default: str) -> timedelta:
        """As Go writes them: 24h, 1h30m, 90s; at least a second."""
        value = self.text(option, default=default)
        found = _DURATION.fullmatch(value)
        parts = {name: int(part) for name, part in found.groupdict("0").items()} if found else {}
        if not any(parts.values()):
            raise ValueError(f"{option} is a duration such as {default} or 1h30m")
        return timedelta(**parts)

    def url(self, option: str, *variables: str) -> str:
        value = self.text(option, *variables)
        parts = urlsplit(value)
        if value and (
            parts.scheme not in {"http", "https"} or not parts.hostname or parts.username
        ):
            raise ValueError(f"{option} is a URL of http or https, without a password in it")
        return value


Where = Directory | Repository | Inline | InBucket | InActions


class Kind(Struct, frozen=True):
    """The options of both flags, and those of one of them alone."""

    read: Callable[[Fields], Where]
    both: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()

    def options(self, *, writes: bool) -> tuple[str, ...]:
        return (*self.both, *(self.writing if writes else self.reading))


def _local(fields: Fields) -> Directory:
    return Directory(Path(fields.needed("dest" if fields.writes else "src")).absolute())


def _registry(fields: Fields) -> Repository:
    for name, always in _ALWAYS.items():
        if fields.given.get(name, always) != always:
            raise ValueError(f"{name} is always {always} here")
    reference = Reference.parse(fields.needed("ref"))
    if fields.writes and reference.digest is not None:
        raise ValueError("a cache has tags, and no digest that is known before")
    return Repository(reference)


def _inline(fields: Fields) -> Inline:
    if fields.given.get("mode") == "max":
        raise ValueError("what is inline has the steps of the image only, as with mode=min")
    return Inline()


def _s3(fields: Fields) -> InBucket:
    bucket = Bucket(
        "s3",
        fields.needed("bucket", "AWS_BUCKET"),
        endpoint=fields.url("endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        region=fields.text("region", "AWS_REGION", "AWS_DEFAULT_REGION"),
        path_style=fields.truth("use_path_style"),
        login=_keys(fields),
    )
    return _in_bucket(fields, bucket, fields.text("prefix"))


def _keys(fields: Fields) -> Login | None:
    key_id, secret = fields.text("access_key_id"), fields.text("secret_access_key")
    if bool(key_id) != bool(secret):
        raise ValueError("access_key_id and secret_access_key go together")
    return Login(secret, key_id, fields.text("session_token")) if secret else None


def _azblob(fields: Fields) -> InBucket:
    url = fields.url("account_url", "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL")
    if not url:
        raise ValueError(
            "type=azblob needs account_url, as in https://ACCOUNT.blob.core.windows.net"
        )
    parts = urlsplit(url)
    # The host of Azurite, and of others that are no Azure, has no account in its name.
    own_name = parts.path.strip("/") or (parts.hostname or "").partition(".")[0]
    secret = fields.text("secret_access_key")
    bucket = Bucket(
        "azblob",
        fields.text("container", "BUILDKIT_AZURE_STORAGE_CONTAINER", default="buildkit-cache"),
        endpoint=url.rstrip("/"),
        account=fields.text(
            "account_name", "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME", default=own_name
        ),
        login=Login(secret) if secret else None,
    )
    return _in_bucket(fields, bucket, fields.text("prefix", "BUILDKIT_AZURE_STORAGE_PREFIX") + "/")


def _gcs(fields: Fields) -> InBucket:
    bucket = Bucket("gcs", fields.needed("bucket"), endpoint=fields.url("endpoint_url"))
    return _in_bucket(fields, bucket, fields.text("prefix"))


def _in_bucket(fields: Fields, bucket: Bucket, prefix: str) -> InBucket:
    parallel = fields.text("upload_parallelism", default="4")
    if not re.fullmatch(r"[1-9][0-9]{0,2}", parallel):
        raise ValueError("upload_parallelism is a number from 1 to 999")
    return InBucket(
        bucket,
        records=_path(prefix + fields.text("manifests_prefix", default="manifests/")),
        layers=_path(prefix + fields.text("blobs_prefix", default="blobs/")),
        names=tuple(map(_path, fields.text("name", default="buildkit").split(";"))),
        parallel=int(parallel),
        refresh=fields.duration("touch_refresh", "24h"),
    )


def _path(text: str) -> str:
    """As all stores take it: no empty part, none that leads upwards."""
    parts = [part for part in text.split("/") if part]
    if any(part in {".", ".."} for part in parts) or not text.isprintable():
        raise ValueError(f"{text[:80]!r} is no name of objects")
    return "/".join(parts) + ("/" if text.endswith("/") else "")


def _gha(fields: Fields) -> InActions:
    if fields.text("version", default="2") != "2":
        raise ValueError("version 1 of the service, which GitHub shut down in 2025, is not spoken")
    scope = fields.text("scope", default="buildkit")
    if len(scope) > _LONGEST_SCOPE or "," in scope or not scope.isprintable():
        raise ValueError(f"scope has at most {_LONGEST_SCOPE} characters, none of them a comma")
    service = ActionsService(
        fields.url("url_v2", "ACTIONS_RESULTS_URL") or fields.url("url", "ACTIONS_CACHE_URL"),
        fields.text("token", "ACTIONS_RUNTIME_TOKEN"),
        fields.duration("timeout", "10m").total_seconds(),
    )
    return InActions(service, scope)


_NAMES = ("prefix", "manifests_prefix", "blobs_prefix", "name")
_UPLOADS = ("upload_parallelism", "touch_refresh")
_WRITING = ("mode", "ignore-error")

KINDS: Mapping[str, Kind] = {
    "local": Kind(_local, reading=("src",), writing=("dest", *_WRITING)),
    "registry": Kind(_registry, ("ref",), (*_WRITING, *_ALWAYS)),
    "inline": Kind(_inline, writing=_WRITING),
    "gha": Kind(_gha, ("scope", "url_v2", "url", "token", "version", "timeout"), _WRITING),
    "s3": Kind(
        _s3,
        (
            "bucket",
            "region",
            "endpoint_url",
            "use_path_style",
            "access_key_id",
            "secret_access_key",
            "session_token",
            *_NAMES,
        ),
        (*_WRITING, *_UPLOADS),
    ),
    "azblob": Kind(
        _azblob,
        ("account_url", "account_name", "container", "secret_access_key", *_NAMES),
        (*_WRITING, *_UPLOADS),
    ),
    "gcs": Kind(_gcs, ("bucket", "endpoint_url", *_NAMES), (*_WRITING, *_UPLOADS)),
}
