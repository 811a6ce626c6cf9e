"""The server under kill -9 and under many clients at once."""

import asyncio
import os
import signal
import subprocess
import sys

import httpx2
import pytest

from amphora.core.digest import Digest
from amphora.core.errors import AmphoraError
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import walk
from amphora.registry.client import Registry

_SERVE = """
import asyncio, sys
from pathlib import Path
from amphora.registry.server.run import serve
asyncio.run(serve(Path(sys.argv[1]), on_ready=lambda port: print(port, flush=True)))
"""


@pytest.fixture
def start_process(tmp_path):
    """Serves a directory in a process of its own, which may be killed."""
    processes = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(tmp_path / "registry")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        processes.append(process)
        return process, f"127.0.0.1:{int(process.stdout.readline())}"

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_killed_at_any_moment_it_keeps_what_it_confirmed(
    start_process, client, blobs, make_image, tmp_path
):
    roots = {}
    for number in range(6):
        roots[f"v{number}"] = make_image(blobs, shared=os.urandom(300_000))
    confirmed = []
    for number, (tag, root) in enumerate(roots.items()):
        process, domain = start_process()

        async def work(registry, process=process, domain=domain, tag=tag, root=root, n=number):
            pushing = asyncio.create_task(
                registry.push(blobs, root, Reference.parse(f"{domain}/app:{tag}"))
            )
            await asyncio.wait([pushing], timeout=0.01 + 0.02 * n)
            process.send_signal(signal.SIGKILL)
            process.wait()
            try:
                await pushing
            except AmphoraError:
                return
            confirmed.append(tag)

        client(domain, work)
    _, domain = start_process()
    tags = httpx2.get(f"http://{domain}/v2/app/tags/list").json().get("tags", [])
    assert set(confirmed) <= set(tags)

    async def everything(registry):
        for tag in tags:
            target = BlobStore(tmp_path / f"pulled-{tag}")
            await registry.pull(Reference.parse(f"{domain}/app:{tag}"), target)
            assert all(target.has(item.digest) for item in walk(blobs, roots[tag]))
        for tag, root in roots.items():
            await registry.push(blobs, root, Reference.parse(f"{domain}/app:{tag}"))

    client(domain, everything)
    assert len(httpx2.get(f"http://{domain}/v2/app/tags/list").json()["tags"]) == len(roots)


def test_ctrl_c_ends_it_in_order(start_process):
    process, _ = start_process()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT


def test_many_clients_at_once(server, blobs, make_image, tmp_path):
    root = make_image(blobs)

    async def one(number: int) -> Digest:
        reference = server.reference(f"team{number % 3}/app:{number}")
        async with Registry(server.domain, environment={"HOME": "/nonexistent"}) as registry:
            await registry.push(blobs, root, reference)
            pulled = await registry.pull(reference, BlobStore(tmp_path / str(number)))
            return pulled.digest

    async def main() -> list[Digest]:
        return await asyncio.gather(*map(one, range(12)))

    assert set(asyncio.run(main())) == {root.digest}
    assert set(BlobStore(server.root)) == set(blobs)


def test_pushing_and_deleting_the_same_blob_never_breaks_the_promise(server):
    """Whoever is told 201 can read the blob until that repository gives it up."""
    content = b"wanted and unwanted"
    digest = Digest.of(content)

    async def keep(http: httpx2.AsyncClient, repository: str) -> None:
        for _ in range(15):
            target = f"/v2/{repository}/blobs/uploads/?digest={digest}"
            assert (await http.post(target, content=content)).status_code == 201
            read = await http.get(f"/v2/{repository}/blobs/{digest}")
            assert (read.status_code, read.content) == (200, content)
            gone = await http.delete(f"/v2/{repository}/blobs/{digest}")
            assert gone.status_code == 202

    async def main() -> None:
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as http:
            await asyncio.gather(*(keep(http, f"r{number}") for number in range(4)))

    asyncio.run(main())
    assert not BlobStore(server.root).has(digest)
