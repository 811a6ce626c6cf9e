"""Real servers on real loopback sockets, and small images to move between them."""

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from amphora.core.descriptor import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig
from amphora.oci.model import Index, Manifest
from amphora.registry.client import Registry
from amphora.registry.retry import Retry
from amphora.registry.server.run import serve

QUICK = Retry(attempts=3, first_delay=0.001, longest_delay=0.01)


class LoopThread:
    """An event loop beside the test's own, for servers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.ending: list[threading.Event] = []

    def start(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def close(self) -> None:
        assert all(event.wait(20) for event in self.ending)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture(scope="session")
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


@dataclass
class Server:
    """Our registry, running."""

    root: Path
    domain: str

    def reference(self, text: str) -> Reference:
        return Reference.parse(f"{self.domain}/{text}")

    @property
    def url(self) -> str:
        return f"http://{self.domain}"


@pytest.fixture
def run_registry(loop_thread):
    """A context manager that serves a directory as long as it is open.

    With `linger`, the server's orderly end is waited for when all tests are done.
    """

    @contextmanager
    def run(root: Path, *, linger: bool = False, **options: Any) -> Iterator[Server]:
        ready = threading.Event()
        ports: list[int] = []

        def on_ready(port: int) -> None:
            ports.append(port)
            ready.set()

        finished = threading.Event()

        async def main() -> None:
            try:
                await serve(root, on_ready=on_ready, **options)
            finally:
                finished.set()
                ready.set()

        running = loop_thread.start(main())
        assert ready.wait(20)
        if not ports:
            running.result()
        yield Server(root, f"127.0.0.1:{ports[0]}")
        running.cancel()
        loop_thread.ending.append(finished)
        assert linger or finished.wait(20)

    return run


@pytest.fixture
def server(run_registry, tmp_path) -> Iterator[Server]:
    with run_registry(tmp_path / "registry", linger=True) as running:
        yield running


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Respond = Callable[[Received], bytes]


@pytest.fixture
def run_scripted(loop_thread):
    """A bad server: answers each request with the raw bytes that a function returns.

    Closes the connection after each answer, whatever was promised in it.
    """

    @contextmanager
    def run(respond: Respond) -> Iterator[tuple[str, list[Received]]]:
        log: list[Received] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Received(method, target, headers, body)
                log.append(request)
                writer.write(respond(request))
                await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        async def start() -> asyncio.Server:
            return await asyncio.start_server(handle, "127.0.0.1", 0)

        async def stop(running: asyncio.Server) -> None:
            running.close()
            await running.wait_closed()

        running = loop_thread.start(start()).result(10)
        try:
            yield f"127.0.0.1:{running.sockets[0].getsockname()[1]}", log
        finally:
            loop_thread.start(stop(running)).result(10)

    return run


@pytest.fixture
def answer() -> Callable[..., bytes]:
    """Writes an HTTP answer; `length` may lie about the body."""

    def write(status: int, body: bytes = b"", length: int | None = None, **headers: str) -> bytes:
        fields = {"Content-Length": str(len(body) if length is None else length), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {status} X\r\nConnection: close\r\n{lines}\r\n".encode() + body

    return write


@pytest.fixture
def client():
    """Opens a client and awaits what a function does with it."""

    def use(domain: str, work: Callable[[Registry], Awaitable[Any]], **options: Any) -> Any:
        async def main() -> Any:
            options.setdefault("environment", {"HOME": "/nonexistent"})
            options.setdefault("retry", QUICK)
            async with Registry(domain, **options) as registry:
                return await work(registry)

        return asyncio.run(main())

    return use


@pytest.fixture
def blobs(tmp_path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.fixture
def make_image() -> Callable[..., Descriptor]:
    """Puts an index of tiny variants into a store; they share one layer and own another."""

    def make(
        blobs: BlobStore,
        platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64"),
        shared: bytes = b"shared" * 1000,
        compressed: bool = False,
    ) -> Descriptor:
        def put_layer(content: bytes) -> Descriptor:
            if compressed:
                return blobs.put(gzip.compress(content, mtime=0), OCI_LAYER_GZIP)
            return blobs.put(content, OCI_LAYER)

        common = put_layer(shared)
        children = []
        for name in platforms:
            platform = Platform.parse(name)
            own = put_layer(f"layer of {platform}".encode())
            config = ImageConfig(platform, diff_ids=(common.digest, own.digest))
            described = blobs.put(config.encode(), OCI_CONFIG)
            manifest = blobs.put(Manifest(described, (common, own)).encode(), OCI_MANIFEST)
            children.append(Descriptor(OCI_MANIFEST, manifest.digest, manifest.size, platform))
        return blobs.put(Index(tuple(children)).encode(), OCI_INDEX)

    return make
