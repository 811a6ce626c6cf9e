"""Uploads that are disturbed on their way: a proxy before our server loses what it likes."""

import asyncio
from contextlib import contextmanager

import pytest

from amphora.core.descriptor import OCI_LAYER, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import RegistryUnreachableError
from amphora.oci.blobs import BlobStore
from amphora.registry.client import Registry
from amphora.registry.progress import SILENT, How, Meter
from amphora.registry.uploads import Uploader

CONTENT = bytes(range(256)) * 1024
CHUNK = 60_000


@pytest.fixture
def run_proxy(loop_thread, server):
    """A TCP proxy to the server that drops connection number n after so many bytes."""

    @contextmanager
    def run(limits):
        remaining = iter(limits)
        dropped = []

        async def pump(reader, writer, limit) -> None:
            while limit > 0 and (data := await reader.read(min(limit, 65536))):
                limit -= len(data)
                writer.write(data)
                await writer.drain()
            if limit <= 0:
                dropped.append(limit)

        async def handle(reader, writer) -> None:
            limit = next(remaining, 1 << 40)
            host, port = server.domain.split(":")
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            ways = [
                asyncio.create_task(pump(reader, inner_writer, limit)),
                asyncio.create_task(pump(inner_reader, writer, 1 << 40)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, inner_writer):
                end.close()

        async def start():
            return await asyncio.start_server(handle, "127.0.0.1", 0)

        async def stop(running) -> None:
            running.close()
            await running.wait_closed()

        running = loop_thread.start(start()).result(10)
        try:
            yield f"127.0.0.1:{running.sockets[0].getsockname()[1]}", dropped
        finally:
            loop_thread.start(stop(running)).result(10)

    return run


@pytest.fixture
def upload(client, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    descriptor = Descriptor(OCI_LAYER, Digest.of(CONTENT), len(CONTENT))

    def run(domain, chunk=CHUNK):
        async def work(registry: Registry) -> How:
            uploader = Uploader(registry._session, "app", chunk)
            return await uploader.upload(descriptor, path, None, Meter(SILENT, descriptor))

        return client(domain, work)

    return run


@pytest.mark.parametrize("limit", [100_000, 130_000, 200_000, 250_000])
def test_a_chunked_upload_survives_a_lost_connection(run_proxy, upload, server, limit):
    with run_proxy([limit, 70_000]) as (domain, dropped):
        assert upload(domain) == How.UPLOADED
    assert dropped
    assert BlobStore(server.root).read(Digest.of(CONTENT)) == CONTENT


def test_an_upload_in_one_piece_is_begun_again(run_proxy, upload, server):
    with run_proxy([100_000]) as (domain, dropped):
        assert upload(domain, chunk=1 << 20) == How.UPLOADED
    assert dropped
    assert BlobStore(server.root).read(Digest.of(CONTENT)) == CONTENT


def test_an_upload_that_is_always_cut_is_given_up(run_proxy, upload):
    with (
        run_proxy([5_000] * 1000) as (domain, _),
        pytest.raises(RegistryUnreachableError, match="interrupted"),
    ):
        upload(domain)


@pytest.fixture
def scripted_upload(run_scripted, upload):
    def run(respond):
        with run_scripted(respond) as (domain, log):
            return upload(domain, chunk=100_000), log

    return run


class Sessions:
    """The upload half of a registry, in a few lines, with a list of stumbles for each method."""

    def __init__(self, answer, **stumbles) -> None:
        self.answer = answer
        self.stumbles = {method: list(items) for method, items in stumbles.items()}
        self.data = b""

    def __call__(self, request) -> bytes:
        stumbles = self.stumbles.get(request.method)
        if stumbles and (stumble := stumbles.pop(0)) is not None:
            return stumble
        if request.method == "HEAD":
            return self.answer(404)
        if request.method == "POST":
            self.data = b""
            return self.answer(202, Location="/upload?state=a%3D%3D")
        if request.method == "GET":
            return self.answer(204, Range=f"0-{max(0, len(self.data) - 1)}")
        assert request.target.startswith("/upload?state=a%3D%3D")
        start = int(request.headers.get("content-range", "0-0").split("-")[0])
        if start != len(self.data):
            return self.answer(416)
        self.data += request.body
        done = request.method == "PUT"
        return self.answer(201 if done else 202, Location="/upload?state=a%3D%3D")


def test_chunks_follow_each_other_and_the_last_names_the_digest(scripted_upload, answer):
    server = Sessions(answer)
    how, log = scripted_upload(server)
    assert (how, server.data) == (How.UPLOADED, CONTENT)
    assert [request.method for request in log] == ["HEAD", "POST", "PATCH", "PATCH", "PUT"]
    assert log[-1].target.endswith("&digest=sha256%3A" + Digest.of(CONTENT).hex)


@pytest.mark.parametrize("status", [500, 503, 429, 416])
def test_a_refused_chunk_is_sent_again_from_where_the_registry_is(scripted_upload, answer, status):
    server = Sessions(answer, PATCH=[None, answer(status, Retry_After="0")])
    how, log = scripted_upload(server)
    assert (how, server.data) == (How.UPLOADED, CONTENT)
    assert [request.method for request in log].count("GET") == 1


def test_a_forgotten_session_is_begun_again(scripted_upload, answer):
    server = Sessions(answer, PATCH=[None, answer(404)], GET=[answer(404)])
    how, log = scripted_upload(server)
    assert (how, server.data) == (How.UPLOADED, CONTENT)
    assert [request.method for request in log].count("POST") == 2


def test_a_blob_that_arrived_although_the_answer_was_lost_is_present(scripted_upload, answer):
    server = Sessions(answer, HEAD=[None, answer(200)], PUT=[answer(502)])
    how, _ = scripted_upload(server)
    assert how == How.PRESENT


def test_the_registrys_smallest_chunk_is_respected(scripted_upload, answer):
    server = Sessions(answer)
    opened = answer(202, Location="/upload?state=a%3D%3D", OCI_Chunk_Min_Length="200000")
    server.stumbles["POST"] = [opened]
    _, log = scripted_upload(server)
    sizes = [len(request.body) for request in log if request.body]
    assert sizes == [200_000, len(CONTENT) - 200_000]
