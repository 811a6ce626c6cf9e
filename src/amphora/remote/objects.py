"""Object stores: S3, Azure Blob Storage and Google Cloud Storage, as named bytes.

Through obstore, which speaks to the three alike: atomic writes, parts for what is large,
retries. Who we are, where nobody says, it takes from environment variables, the token of a
workload, or the machine's own identity.
https://developmentseed.org/obstore/latest/authentication/
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from amphora import __version__
from amphora.remote.keepers import Bucket, Login
from amphora.remote.named import Found, NamedBytes
from amphora.remote.service_failures import bucket_failed
from amphora.system.tasks import in_thread

if TYPE_CHECKING:
    from obstore.store import (
        AzureAccessKey,
        AzureConfig,
        AzureCredentialProvider,
        ClientConfig,
        GCSConfig,
        ObjectStore,
        RetryConfig,
        S3Config,
        S3Credential,
        S3CredentialProvider,
    )

#: A large object may take hours; that nobody answers shows much sooner.
_CONNECT, _SILENCE, _LONGEST = timedelta(seconds=5), timedelta(minutes=5), timedelta(days=1)
_CHUNK = 1 << 20
#: Of a large object, so many bytes are one part, and so many parts are on their way.
_PART, _PARTS = 8 << 20, 2


class _Manners(TypedDict):
    """How every kind of bucket is spoken to; obstore's names."""

    client_options: "ClientConfig"
    retry_config: "RetryConfig"


class Objects(NamedBytes):
    """The objects of one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        """Asks nobody yet. Raises CacheError for values that make no sense."""
        self._bucket = bucket
        with self._explained("open it"):
            self._store = _OPENERS[bucket.kind](bucket)

    async def look(self, name: str) -> Found | None:
        with self._explained("look into it"):
            try:
                meta = await obstore.head_async(self._store, name)
            except FileNotFoundError:
                return None
        return Found(meta["size"], datetime.now(UTC) - meta["last_modified"])

    async def download(self, name: str, write: Callable[[bytes], object]) -> bool:
        with self._explained("read it"):
            try:
                answer = await obstore.get_async(self._store, name)
            except FileNotFoundError as error:
                if _is_about_the_bucket(error):
                    raise
                return False
            async for chunk in answer.stream(min_chunk_size=_CHUNK):
                await in_thread(write, chunk)
        return True

    async def put(self, name: str, content: bytes | Path) -> None:
        with self._explained("write to it"):
            await obstore.put_async(
                self._store, name, content, chunk_size=_PART, max_concurrency=_PARTS
            )

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, FileNotFoundError, ValueError, TimeoutError) as error:
            raise bucket_failed(str(self._bucket), action, str(error)) from error


def _is_about_the_bucket(error: FileNotFoundError) -> bool:
    """A missing bucket is answered with 404 as well.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
    """
    return any(code in str(error) for code in ("NoSuchBucket", "ContainerNotFound"))


def _open_s3(bucket: Bucket) -> "ObjectStore":
    config: S3Config = {"virtual_hosted_style_request": not _is_in_path(bucket)}
    if bucket.region:
        config["region"] = bucket.region
    if bucket.endpoint:
        config["aws_endpoint_url_s3"] = _s3_endpoint(bucket)
    return S3Store(
        bucket.name,
        config=config,
        credential_provider=_keys_for_s3(bucket.login) if bucket.login else None,
        **_manners(bucket),
    )


def _keys_for_s3(login: Login) -> "S3CredentialProvider":
    """Not as configuration, which a token of the environment would be mixed into."""

    def keys() -> "S3Credential":
        return {
            "access_key_id": login.key_id,
            "secret_access_key": login.secret,
            "token": login.token or None,
            "expires_at": None,
        }

    return keys


def _is_in_path(bucket: Bucket) -> bool:
    """No certificate of Amazon's is good for a bucket's name with a dot in it."""
    return bucket.path_style or (not bucket.endpoint and "." in bucket.name)


def _s3_endpoint(bucket: Bucket) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html"""
    scheme, separator, host = bucket.endpoint.rstrip("/").partition("://")
    return f"{scheme}{separator}{host if bucket.path_style else f'{bucket.name}.{host}'}"


def _open_azure(bucket: Bucket) -> "ObjectStore":
    config: AzureConfig = {"account_name": bucket.account}
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
    return AzureStore(
        bucket.name,
        config=config,
        credential_provider=_key_for_azure(bucket.login) if bucket.login else None,
        **_manners(bucket),
    )


def _key_for_azure(login: Login) -> "AzureCredentialProvider":
    def key() -> "AzureAccessKey":
        return {"access_key": login.secret, "expires_at": None}

    return key


def _open_google(bucket: Bucket) -> "ObjectStore":
    config: GCSConfig = {"base_url": bucket.endpoint} if bucket.endpoint else {}
    return GCSStore(bucket.name, config=config, **_manners(bucket))


_OPENERS: dict[str, Callable[[Bucket], "ObjectStore"]] = {
    "s3": _open_s3,
    "azblob": _open_azure,
    "gcs": _open_google,
}


def _manners(bucket: Bucket) -> _Manners:
    return {
        "client_options": {
            "allow_http": bucket.endpoint.startswith("http://"),
            "connect_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "timeout": _LONGEST,
            "user_agent": f"amphora/{__version__}",
        },
        "retry_config": {"max_retries": 3},
    }
