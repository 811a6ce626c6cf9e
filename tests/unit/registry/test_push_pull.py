"""Our client against our server, over a real socket."""

import asyncio
import base64
import json
import socket
from collections import Counter

import pytest

from amphora.core.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import (
    InvalidValueError,
    ManifestError,
    NotFoundError,
    RegistryAuthError,
    RegistryUnreachableError,
)
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import walk
from amphora.oci.model import Index
from amphora.registry import uploads
from amphora.registry.client import Registry
from amphora.registry.progress import How

ARM64 = Platform.parse("linux/arm64")


class Recorder:
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.names = {}
        self.bytes = Counter()
        self.how = {}

    def started(self, descriptor: Descriptor, name: str) -> None:
        self.names[descriptor.digest] = name

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        self.bytes[descriptor.digest] += count

    def finished(self, descriptor: Descriptor, how: How) -> None:
        self.how[descriptor.digest] = how


def test_an_index_comes_back_as_it_was_pushed(server, client, blobs, make_image, tmp_path):
    root = make_image(blobs)
    target = BlobStore(tmp_path / "target")
    reference = server.reference("me/app:1.0")

    async def there_and_back(registry: Registry) -> Descriptor:
        await registry.push(blobs, root, reference)
        return await registry.pull(reference, target)

    pulled = client(server.domain, there_and_back)
    assert (pulled.digest, pulled.media_type, pulled.size) == (root.digest, OCI_INDEX, root.size)
    assert set(target) == set(blobs)
    assert all(target.read(digest) == blobs.read(digest) for digest in blobs)


def test_only_what_tells_of_an_image_can_be_pulled_and_then_a_layer(
    server, client, blobs, make_image, tmp_path
):
    root = make_image(blobs)
    target = BlobStore(tmp_path / "target")
    reference = server.reference("me/app:1.0")
    layers = {item.digest: item for item in walk(blobs, root) if "layer" in item.media_type}
    one = next(iter(layers.values()))

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, reference)
        await registry.pull(reference, target, layers=False)
        assert set(target) == set(blobs) - set(layers)
        await registry.pull_blob(reference, one, target)
        assert set(target) == set(blobs) - set(layers) | {one.digest}

    client(server.domain, work)


def test_progress_tells_every_part_its_bytes_and_how_it_came(
    server, client, blobs, make_image, tmp_path
):
    root = make_image(blobs)
    first, again, down = Recorder(), Recorder(), Recorder()
    reference = server.reference("app")

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, reference, progress=first)
        await registry.push(blobs, root, reference, progress=again)
        await registry.pull(reference, BlobStore(tmp_path / "target"), progress=down)

    client(server.domain, work)
    parts = {item.digest: item for item in walk(blobs, root)}
    assert first.bytes == {digest: item.size for digest, item in parts.items()}
    assert set(first.how.values()) == {How.UPLOADED}
    contents = {d for d, item in parts.items() if not (item.is_index or item.is_manifest)}
    assert {again.how[digest] for digest in contents} == {How.PRESENT}
    assert down.bytes == first.bytes
    assert set(down.how.values()) == {How.DOWNLOADED}
    assert f"manifest linux/arm64 {parts_of(parts, ARM64).digest.short}" in down.names.values()


def parts_of(parts, platform):
    return next(item for item in parts.values() if item.platform == platform)


def test_platforms_select_variants_and_keep_the_index(server, client, blobs, make_image, tmp_path):
    root = make_image(blobs)
    target = BlobStore(tmp_path / "target")
    reference = server.reference("app")

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, reference)
        await registry.pull(reference, target, platforms=[ARM64])

    client(server.domain, work)
    assert target.read(root.digest) == blobs.read(root.digest)
    variants = {
        item.platform: item.digest for item in Index.decode(blobs.read(root.digest)).manifests
    }
    assert target.has(variants[ARM64])
    assert not target.has(variants[Platform.parse("linux/amd64")])
    assert len(set(target)) == 5


def test_a_platform_the_image_lacks_is_named_with_those_it_has(
    server, client, blobs, make_image, tmp_path
):
    root = make_image(blobs)
    single = Index.decode(blobs.read(root.digest)).manifests[0]
    riscv = [Platform.parse("linux/riscv64")]

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, server.reference("app:index"))
        await registry.push(blobs, single, server.reference("app:single"))
        target = BlobStore(tmp_path / "target")
        with pytest.raises(NotFoundError, match=r"linux/riscv64.*linux/amd64, linux/arm64"):
            await registry.pull(server.reference("app:index"), target, platforms=riscv)
        with pytest.raises(NotFoundError, match=r"linux/riscv64.*made for linux/amd64"):
            await registry.pull(server.reference("app:single"), target, platforms=riscv)

    client(server.domain, work)


def test_resolve_by_tag_and_by_digest(server, client, blobs, make_image):
    root = make_image(blobs)

    async def work(registry: Registry) -> list[Descriptor]:
        await registry.push(blobs, root, server.reference("app:1"))
        return [
            await registry.resolve(server.reference("app:1")),
            await registry.resolve(server.reference(f"app@{root.digest}")),
        ]

    assert {item.digest for item in client(server.domain, work)} == {root.digest}


def test_missing_things_are_not_found(server, client, blobs):
    async def work(registry: Registry) -> None:
        for text in ("app:none", f"app@{Digest.of(b'nothing')}"):
            with pytest.raises(NotFoundError, match="404"):
                await registry.resolve(server.reference(text))
            with pytest.raises(NotFoundError):
                await registry.pull(server.reference(text), blobs)

    client(server.domain, work)


def test_an_incomplete_image_is_refused_before_anything_is_sent(server, client, blobs, make_image):
    root = make_image(blobs)
    blobs.delete(Digest.of(b"layer of linux/arm64"))

    async def work(registry: Registry) -> None:
        with pytest.raises(NotFoundError, match="not in the store"):
            await registry.push(blobs, root, server.reference("app"))

    client(server.domain, work)
    assert list(BlobStore(server.root)) == []


def test_pushing_to_a_digest_needs_that_digest(server, client, blobs, make_image):
    root = make_image(blobs)
    other = Digest.of(b"other")

    async def work(registry: Registry) -> Descriptor:
        with pytest.raises(InvalidValueError, match=str(root.digest)):
            await registry.push(blobs, root, server.reference(f"app@{other}"))
        await registry.push(blobs, root, server.reference(f"app@{root.digest}"))
        return await registry.resolve(server.reference(f"app@{root.digest}"))

    assert client(server.domain, work).digest == root.digest


def test_blobs_are_mounted_from_a_repository_that_has_them(server, client, blobs, make_image):
    root = make_image(blobs)
    report = Recorder()
    sources = {item.digest: "team/base" for item in walk(blobs, root)}

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, server.reference("team/base"))
        await registry.push(
            blobs, root, server.reference("team/app"), mount_from=sources, progress=report
        )

    client(server.domain, work)
    assert Counter(report.how.values()) == {How.MOUNTED: 5, How.UPLOADED: 3}


def test_a_mount_that_does_not_work_becomes_an_upload(server, client, blobs, make_image):
    root = make_image(blobs)
    report = Recorder()
    sources = {item.digest: "not/there" for item in walk(blobs, root)}

    async def work(registry: Registry) -> None:
        await registry.push(
            blobs, root, server.reference("app"), mount_from=sources, progress=report
        )

    client(server.domain, work)
    assert set(report.how.values()) == {How.UPLOADED}


def test_large_blobs_go_in_chunks(server, client, blobs, make_image, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads.Uploader, "__init__", _with_small_chunks)
    layer = bytes(range(256)) * 1001
    root = make_image(blobs, shared=layer)
    target = BlobStore(tmp_path / "target")
    report = Recorder()

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, server.reference("app"), progress=report)
        await registry.pull(server.reference("app"), target)

    client(server.domain, work)
    assert target.read(Digest.of(layer)) == layer
    assert report.bytes[Digest.of(layer)] == len(layer)


_original = uploads.Uploader.__init__


def _with_small_chunks(self, session, repository):
    _original(self, session, repository, chunk=10_000)


def test_users_need_their_password(run_registry, client, blobs, make_image, tmp_path):
    root = make_image(blobs)
    with run_registry(tmp_path / "registry", users={"ann": "s3cret:word"}) as server:

        async def push(registry: Registry) -> Descriptor:
            await registry.push(blobs, root, server.reference("app"))
            return await registry.resolve(server.reference("app"))

        right = login(tmp_path / "right", server.domain, "ann", "s3cret:word")
        assert client(server.domain, push, environment=right).digest == root.digest
        for user, password in (("ann", "wr0ng"), ("bob", "s3cret:word")):
            wrong = login(tmp_path / user, server.domain, user, password)
            with pytest.raises(RegistryAuthError) as caught:
                client(server.domain, push, environment=wrong)
            told = f"{caught.value} {caught.value.next_command} {caught.value!r}"
            assert f"user '{user}' from {tmp_path / user}" in told
            assert password not in told
        with pytest.raises(RegistryAuthError, match="no login was found"):
            client(server.domain, push)


def login(directory, domain, user, password):
    directory.mkdir()
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {domain: {"auth": auth}}}))
    return {"DOCKER_CONFIG": str(directory)}


def test_nobody_listening_is_unreachable(client, unused_port):
    async def work(registry: Registry) -> None:
        with pytest.raises(RegistryUnreachableError, match="connection failed"):
            await registry.resolve(reference_at(unused_port))

    client(f"127.0.0.1:{unused_port}", work)


def reference_at(port):
    return Reference.parse(f"127.0.0.1:{port}/app")


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_indexes_nested_without_end_are_malformed(server, client, blobs):
    inner = blobs.put(Index(()).encode(), OCI_INDEX)
    for _ in range(5):
        inner = blobs.put(Index((inner,)).encode(), OCI_INDEX)

    async def work(registry: Registry) -> None:
        await registry.push(blobs, inner, server.reference("deep"))
        target = BlobStore(blobs.root / "other")
        with pytest.raises(ManifestError, match="deeper"):
            await registry.pull(server.reference("deep"), target)

    client(server.domain, work)


def test_a_cancelled_pull_leaves_no_half_blob(server, client, blobs, make_image, tmp_path):
    root = make_image(blobs, shared=bytes(4 << 20))
    target = BlobStore(tmp_path / "target")

    async def work(registry: Registry) -> None:
        await registry.push(blobs, root, server.reference("app"))
        pulling = asyncio.create_task(registry.pull(server.reference("app"), target))
        while not any(target.ingest.iterdir()) and not pulling.done():
            await asyncio.sleep(0)
        pulling.cancel()
        await asyncio.wait([pulling])
        await registry.pull(server.reference("app"), target)

    client(server.domain, work)
    assert list(target.ingest.iterdir()) == []
    assert set(target) == set(blobs)


def test_a_child_manifest_may_be_pulled_alone(server, client, blobs, make_image, tmp_path):
    root = make_image(blobs)
    child = Index.decode(blobs.read(root.digest)).manifests[1]
    target = BlobStore(tmp_path / "target")

    async def work(registry: Registry) -> Descriptor:
        await registry.push(blobs, root, server.reference("app"))
        reference = server.reference(f"app@{child.digest}")
        return await registry.pull(reference, target, platforms=[ARM64])

    pulled = client(server.domain, work)
    assert pulled == Descriptor(OCI_MANIFEST, child.digest, child.size)
    assert len(set(target)) == 4
