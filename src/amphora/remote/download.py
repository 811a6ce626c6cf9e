"""Files by HTTP(S), kept in the store and asked for again only if they changed.

    store/remote/records/<sha256 of the URL>   what the server said of it (JSON)
    store/remote/files/<sha256 of the content>

Both are written whole and renamed. The time of a record is that of its last use.
https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import msgspec
from msgspec import Struct

from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError
from amphora.oci.workspace import remove_tree
from amphora.remote import failures
from amphora.remote.authorization import Authorizations
from amphora.remote.client import http_client
from amphora.remote.location import shown_url
from amphora.system.files import explain_full_disk, write_atomically
from amphora.system.tasks import in_thread

_DIRECTORY = "remote"
_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ATTEMPTS = 3


class _Record(Struct, frozen=True):
    """What a server said when the file was fetched last, and the URL as messages show it."""

    digest: str
    etag: str = ""
    last_modified: str = ""
    shown: str = ""


class Download(Struct, frozen=True):
    """A file in the store; `modified` is in seconds since 1970, 0 if the server did not say."""

    path: Path
    digest: Digest
    modified: int


class KeptDownload(Struct, frozen=True):
    """A file that was fetched, as it is listed: `name` tells its record, `path` is its content.

    `shown` is its URL without a password or a query; times are in seconds since 1970.
    """

    name: str
    shown: str
    path: Path
    size: int
    created: float
    used: float


class Downloads:
    """Fetches files into one store; `work` is this process's workspace in it."""

    def __init__(
        self, store_root: Path, work: Path, authorizations: Authorizations | None = None
    ) -> None:
        self._records = store_root / _DIRECTORY / "records"
        self._files = store_root / _DIRECTORY / "files"
        self._work = work
        self._authorizations = authorizations or Authorizations()

    async def fetch(self, url: str, checksum: Digest | None = None) -> Download:
        """The file of a URL, as it is now; one with the checksum is good as it was, too.

        Raises FetchError, DigestMismatchError, DiskFullError, and InvalidValueError for a token
        that cannot be sent.
        """
        record = self._read_record(url)
        if record is not None and checksum is not None:
            if record.digest == str(checksum):
                self._touch(url)
                return self._download(record)
            if not record.digest.startswith(checksum.algorithm):
                record = None
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._ask(url, record, checksum)
            except httpx2.TransportError as error:
                never_sent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                if attempt == _ATTEMPTS or never_sent:
                    raise failures.no_answer(shown_url(url), error) from error
        raise AssertionError("the last attempt returns or raises")

    async def _ask(self, url: str, record: _Record | None, checksum: Digest | None) -> Download:
        authorization = self._authorizations.of_file(url)
        async with _answer(url, _conditions(record), authorization) as response:
            if response.status_code == httpx2.codes.NOT_MODIFIED and record is not None:
                _check(url, Digest.parse(record.digest), checksum)
                self._touch(url)
                return self._download(record)
            if response.status_code != httpx2.codes.OK:
                raise failures.refused(shown_url(url), response.status_code, response.reason_phrase)
            headers = response.headers
            digest = await self._receive(url, response, checksum)
        etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
        record = _Record(str(digest), etag, modified, shown_url(url))
        self._records.mkdir(parents=True, exist_ok=True)
        write_atomically(self._record_path(url), msgspec.json.encode(record))
        return self._download(record)

    async def _receive(
        self, url: str, response: httpx2.Response, checksum: Digest | None
    ) -> Digest:
        """Write the body to a file of its digest's name, if it is the right one."""
        algorithm = checksum.algorithm if checksum else "sha256"
        partial = self._work / secrets.token_hex(4)
        hashed = hashlib.new(algorithm)
        try:
            with explain_full_disk(self._work), partial.open("xb") as file:
                async for chunk in response.aiter_raw():
                    hashed.update(chunk)
                    await in_thread(file.write, chunk)
                file.flush()
                await in_thread(os.fsync, file.fileno())
            digest = Digest(algorithm, hashed.hexdigest())
            _check(url, digest, checksum)
            self._files.mkdir(parents=True, exist_ok=True)
            partial.rename(self._file_path(digest))
        finally:
            partial.unlink(missing_ok=True)
        return digest

    def _read_record(self, url: str) -> _Record | None:
        """What is known of the URL, if the file is still there."""
        record = _read(self._record_path(url))
        if record is None:
            return None
        return record if self._file_path(Digest.parse(record.digest)).exists() else None

    def _touch(self, url: str) -> None:
        """Used again, if it was not removed in this very moment."""
        with suppress(FileNotFoundError):
            os.utime(self._record_path(url))

    def _download(self, record: _Record) -> Download:
        digest = Digest.parse(record.digest)
        return Download(self._file_path(digest), digest, _seconds(record.last_modified))

    def _record_path(self, url: str) -> Path:
        return self._records / hashlib.sha256(url.encode()).hexdigest()

    def _file_path(self, digest: Digest) -> Path:
        return _file_of(self._files, digest)


def kept_downloads(store_root: Path) -> list[KeptDownload]:
    """Every URL that was fetched; what nobody fetched to its end, or is damaged, is left out."""
    found = []
    for path in (store_root / _DIRECTORY / "records").glob("[!.]*"):
        with suppress(FileNotFoundError):
            record = _read(path)
            if record is not None:
                file = _file_of(store_root / _DIRECTORY / "files", Digest.parse(record.digest))
                status, used = file.stat(), path.stat().st_mtime
                size, created = status.st_size, status.st_mtime
                found.append(KeptDownload(path.name, record.shown, file, size, created, used))
    return found


def forget_downloads(store_root: Path, names: Collection[str] | None = None) -> None:
    """Delete what was fetched, all of it or what is named, while nobody uses the store."""
    if names is None:
        remove_tree(store_root / _DIRECTORY)
        return
    for name in names:
        (store_root / _DIRECTORY / "records" / name).unlink(missing_ok=True)
    needed = {kept.path for kept in kept_downloads(store_root)}
    for path in (store_root / _DIRECTORY / "files").glob("*"):
        if path not in needed:
            path.unlink(missing_ok=True)


def _read(path: Path) -> _Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _file_of(files: Path, digest: Digest) -> Path:
    return files / f"{digest.algorithm}-{digest.hex}"


@asynccontextmanager
async def _answer(
    url: str, conditions: dict[str, str], authorization: str | None
) -> AsyncIterator[httpx2.Response]:
    """The answer at the end of all redirects; never from https to http.

    Who asks is told to the server of the URL only, and not to those that it redirects to.
    """
    shown = shown_url(url)
    try:
        target = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise failures.nonsense(shown, f"it is not a URL: {error}") from error
    first = target
    for _ in range(1 + _MOST_REDIRECTS):
        known = {"Authorization": authorization} if authorization and _same(first, target) else {}
        async with http_client(target.host) as client:
            headers = {**conditions, **known}
            request = client.build_request("GET", target, headers=headers)
            response = await client.send(request, stream=True)
            try:
                if response.status_code not in _REDIRECTS:
                    yield response
                    return
                target = _next(shown, target, response.headers.get("location", ""))
            finally:
                await response.aclose()
    raise failures.nonsense(shown, f"it redirected us more than {_MOST_REDIRECTS} times")


def _next(shown: str, url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = url.join(location)
    except httpx2.InvalidURL as error:
        raise failures.nonsense(shown, "it redirects to what is no URL") from error
    if not location or target.scheme not in {"http", "https"}:
        raise failures.nonsense(shown, "it redirects to what is no HTTP URL")
    if url.scheme == "https" and target.scheme == "http":
        raise failures.nonsense(shown, f"it redirects from https to plain http on {target.host}")
    return target if _same(url, target) else target.copy_with(userinfo=b"")


def _same(one: httpx2.URL, other: httpx2.URL) -> bool:
    """Are they of the same server?"""
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _conditions(record: _Record | None) -> dict[str, str]:
    if record is None:
        return {}
    given = {"If-None-Match": record.etag, "If-Modified-Since": record.last_modified}
    return {name: value for name, value in given.items() if value}


def _check(url: str, digest: Digest, checksum: Digest | None) -> None:
    if checksum is not None and digest != checksum:
        raise DigestMismatchError(
            f"{shown_url(url)} is not the file that --checksum asks for",
            why=f"it is {digest}, and {checksum} was expected",
            next_command="find out why it changed before you change --checksum",
        )


def _seconds(last_modified: str) -> int:
    """Since 1970; the time is unknown if it does not parse or lies before."""
    with suppress(ValueError, OverflowError):
        return max(0, int(parsedate_to_datetime(last_modified).timestamp()))
    return 0
