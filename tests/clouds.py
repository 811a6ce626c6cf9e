"""Places for caches on this machine: an S3, an Azure, and what speaks like Google and GitHub.

moto is an S3 that checks signatures and rights, Azurite Microsoft's own stand-in. The two
others are written here after the public definitions, as far as our client goes, and keep what
they are given in memory.
"""

import base64
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

_AZURITE = Path(__file__).parents[1] / ".azurite/node_modules/.bin/azurite-blob"
_PATIENCE = 60
_EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True)
class S3:
    """A server and somebody who may do everything there; `bucket` is empty and there."""

    url: str
    key_id: str
    secret: str
    bucket: str = ""

    def client(self, service="s3"):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
            config=Config(s3={"addressing_style": "path"}),
        )

    @property
    def place(self) -> str:
        """The options of a cache there, but for the keys."""
        where = f"endpoint_url={self.url},use_path_style=true,region=us-east-1"
        return f"type=s3,bucket={self.bucket},{where}"

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.key_id, "AWS_SECRET_ACCESS_KEY": self.secret}

    def names(self) -> list[str]:
        found = self.client().list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [item["Key"] for item in found]

    def put(self, name: str, content: bytes) -> None:
        self.client().put_object(Bucket=self.bucket, Key=name, Body=content)

    def get(self, name: str) -> bytes:
        return self.client().get_object(Bucket=self.bucket, Key=name)["Body"].read()


@pytest.fixture(scope="session")
def s3_server():
    """From the fourth request on, moto asks who is there."""
    with tempfile.NamedTemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3"},
            stdout=log,
            stderr=log,
        )
        try:
            url = _said_url(Path(log.name), server, "Running on")
            yield _with_a_user(S3(url, "nobody", "nothing"))
        finally:
            server.terminate()
            server.wait()


def _said_url(log: Path, server: subprocess.Popen, after: str) -> str:
    deadline = time.monotonic() + _PATIENCE
    while not (found := re.search(rf"{after} (http://[0-9.:]+)", log.read_text())):
        assert time.monotonic() < deadline, log.read_text()
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    return found[1]


def _with_a_user(s3: S3) -> S3:
    iam = s3.client("iam")
    iam.create_user(UserName="tests")
    policy = json.dumps(_EVERYTHING)
    iam.put_user_policy(UserName="tests", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="tests")["AccessKey"]
    return S3(s3.url, key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture
def s3(s3_server) -> S3:
    bucket = f"cache-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_bucket(Bucket=bucket)
    return S3(s3_server.url, s3_server.key_id, s3_server.secret, bucket)


@dataclass(frozen=True)
class Azure:
    """An account and its key; the container `cache` is there."""

    url: str
    key: str

    @property
    def place(self) -> str:
        return f"type=azblob,account_url={self.url},container=cache,secret_access_key={self.key}"


@pytest.fixture(scope="session")
def azure(tmp_path_factory):
    if not _AZURITE.exists():
        pytest.skip("needs azurite: make setup-test")
    directory = tmp_path_factory.mktemp("azurite")
    key = base64.b64encode(os.urandom(32)).decode()
    where = ("--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(directory))
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(
            [_AZURITE, *where, "--disableTelemetry", "--skipApiVersionCheck"],
            env={**os.environ, "AZURITE_ACCOUNTS": f"tests:{key}"},
            stdout=log,
            stderr=log,
        )
    try:
        found = Azure(f"{_said_url(directory / 'log', server, 'listens on')}/tests", key)
        _create_container(found)
        yield found
    finally:
        server.terminate()
        server.wait()


def _create_container(azure: Azure) -> None:
    """https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key"""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    canonical = "".join(f"{name}:{value}\n" for name, value in headers.items())
    signed = "PUT" + 12 * "\n" + canonical + "/tests/tests/cache\nrestype:container"
    digest = hmac.digest(base64.b64decode(azure.key), signed.encode(), "sha256")
    headers["Authorization"] = f"SharedKey tests:{base64.b64encode(digest).decode()}"
    headers["Content-Length"] = "0"
    url = f"{azure.url}/cache?restype=container"
    with urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers)):
        pass


@dataclass
class Service:
    """A server of ours: where it is, what it keeps, and what it was asked."""

    port: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    #: Answers for requests whose method and path begin so, given before all else, once each.
    instead: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    begun: dict[str, bool] = field(default_factory=dict)
    #: Of the next download only half is sent.
    cuts: bool = False
    #: Requests that begin so are held, and `holds` is set; they are never answered.
    held: str = ""
    holds: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    token: str = "a-runtime-token"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    """What both services need."""

    service: Service
    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def told_otherwise(self) -> bool:
        line = f"{self.command} {self.path}"
        self.service.asked.append(line)
        if self.service.held and line.startswith(self.service.held):
            self.service.holds.set()
            self.service.released.wait()
            self.close_connection = True
            return True
        for start in tuple(self.service.instead):
            if line.startswith(start):
                self.answer(*self.service.instead.pop(start))
                return True
        return False

    def log_message(self, *arguments):
        pass


class _Google(_Handler):
    """https://docs.cloud.google.com/storage/docs/xml-api/overview"""

    def do_GET(self):
        content = self.body()
        if self.told_otherwise():
            return
        if self.headers.get("Authorization") != f"Bearer {self.service.token}":
            self.answer(401, b"<Error><Code>AuthenticationRequired</Code></Error>")
            return
        bucket, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        if bucket != "cache":
            self.answer(404, b"<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>")
        elif self.command == "PUT":
            self.service.kept[name] = content
            self.answer(200, ETag='"1"')
        elif name not in self.service.kept:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            times = {"Last_Modified": "Sat, 21 Nov 2026 14:00:00 GMT", "ETag": '"1"'}
            self.answer(200, self.service.kept[name], **times)

    def do_HEAD(self):
        self.do_GET()

    def do_PUT(self):
        self.do_GET()


_METHODS = "/twirp/github.actions.results.api.v1.CacheService/"


class _Actions(_Handler):
    """Entries by key and version, never changed; their bytes at URLs with a signature.

    https://github.com/actions/toolkit/tree/main/packages/cache/src/generated/results/api/v1
    """

    def do_POST(self):
        content = self.body()
        if self.told_otherwise():
            return
        if self.headers.get("Authorization") != f"Bearer {self.service.token}":
            self.answer(401, b'{"code":"unauthenticated","msg":"bad token"}')
            return
        message = json.loads(content)
        methods = {
            "CreateCacheEntry": self._create,
            "FinalizeCacheEntryUpload": self._finalize,
            "GetCacheEntryDownloadURL": self._locate,
        }
        status, told = methods[self.path.removeprefix(_METHODS)](message)
        self.answer(status, json.dumps(told).encode(), Content_Type="application/json")

    def _create(self, message):
        key = f"{message['version']}/{message['key']}"
        if key in self.service.begun:
            return 409, {"code": "already_exists", "msg": "cache entry exists"}
        self.service.begun[key] = False
        return 200, {"ok": True, "signed_upload_url": self._signed(key)}

    def _finalize(self, message):
        key = f"{message['version']}/{message['key']}"
        whole = len(self.service.kept.get(key, b"")) == int(message["size_bytes"])
        self.service.begun[key] = whole
        return 200, {"ok": whole, "entry_id": "1"}

    def _locate(self, message):
        for start in [message["key"], *message["restore_keys"]]:
            for key in reversed(self.service.begun):
                matched = key.removeprefix(f"{message['version']}/")
                if self.service.begun[key] and matched.startswith(start):
                    told = {"signed_download_url": self._signed(key), "matched_key": matched}
                    return 200, {"ok": True, **told}
        return 200, {"ok": False}

    def _signed(self, key):
        return f"{self.service.url}/blobs/{key.replace('#', '%23')}?sig=secret-signature"

    def do_PUT(self):
        content = self.body()
        if not self.told_otherwise() and self._is_signed():
            assert self.headers["x-ms-blob-type"] == "BlockBlob"
            assert "Authorization" not in self.headers
            self.service.kept[self._key()] = content
            self.answer(201)

    def do_GET(self):
        if not self.told_otherwise() and self._is_signed():
            content = self.service.kept[self._key()]
            start = int((self.headers.get("Range") or "bytes=0-").strip("bytes=-"))
            if self.service.cuts:
                self.service.cuts = False
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            else:
                self.answer(206 if start else 200, content[start:])

    def _key(self):
        return urlsplit(self.path).path.removeprefix("/blobs/").replace("%23", "#")

    def _is_signed(self) -> bool:
        good = parse_qs(urlsplit(self.path).query).get("sig") == ["secret-signature"]
        if not good:
            self.answer(403)
        return good


def _served(handler: type[_Handler]):
    service = Service()
    bound = type("Bound", (handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield service
        service.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def google():
    """A bucket called `cache`; its bearer token is the service's."""
    yield from _served(_Google)


@pytest.fixture
def actions():
    """The cache service of GitHub Actions, as its public definition has it."""
    yield from _served(_Actions)
