"""Steps in a directory: what it forgets when there are too many."""

import asyncio
import json

import pytest

from amphora.build.caches.directory import MOST_STEPS, DirectoryCache
from amphora.core.descriptor import OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.reference import Reference
from amphora.oci import names
from amphora.oci.blobs import BlobStore
from amphora.oci.graph import MAX_DOCUMENT_SIZE
from amphora.oci.layout import export_layout
from amphora.oci.model import Index
from amphora.oci.names import annotated
from amphora.oci.steps import CacheRecord


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "store")


@pytest.fixture
def cache(blobs, tmp_path):
    return DirectoryCache(blobs, tmp_path / "cache")


def record(blobs, text):
    content = text.encode()
    layer = blobs.put(content, OCI_LAYER_GZIP)
    return CacheRecord(layer, Digest.of(content), "2026-01-02T03:04:05Z", "native", 1.0)


def key(number):
    return Digest.of(b"%d" % number).hex


def add(cache, records):
    asyncio.run(cache.add(records, ()))


def fill(directory, number):
    """Have a cache know more steps, as if they had been added after what it knows."""
    index = directory / names.INDEX_FILE
    entries = [
        annotated(
            Reference.parse(f"step:{key(each)}"),
            Descriptor(OCI_MANIFEST, Digest.of(b"artifact %d" % each), 1000),
        )
        for each in range(number)
    ]
    index.write_bytes(Index((*Index.decode(index.read_bytes()).manifests, *entries)).encode())


def known(directory):
    return len(json.loads((directory / names.INDEX_FILE).read_text())["manifests"])


def test_of_too_many_steps_those_go_that_nobody_wrote_for_longest(cache, blobs, tmp_path):
    directory = tmp_path / "cache"
    old = record(blobs, "old")
    image = blobs.put(b'{"schemaVersion":2,"manifests":[]}', OCI_INDEX)
    add(cache, {"old": old})
    export_layout(blobs, [(Reference.parse("somebodys/image"), image)], directory)
    fill(directory, MOST_STEPS - 3)
    add(cache, {"damaged": record(blobs, "damaged")})
    manifest = Index.decode((directory / names.INDEX_FILE).read_bytes()).manifests[-1]
    BlobStore(directory).path(manifest.digest).write_bytes(b"{")
    assert known(directory) == MOST_STEPS
    add(cache, {"new": record(blobs, "new")})
    assert 5_900 < known(directory) < MOST_STEPS
    there = BlobStore(directory)
    assert not there.has(old.layer.digest)
    assert there.has(image.digest)
    elsewhere = DirectoryCache(BlobStore(tmp_path / "elsewhere"), directory)
    assert asyncio.run(elsewhere.find("old")) is None
    assert asyncio.run(elsewhere.find("new")) == record(blobs, "new")


def test_the_index_of_as_many_steps_as_there_may_be_can_be_read(cache, blobs, tmp_path):
    directory = tmp_path / "cache"
    add(cache, {"first": record(blobs, "first")})
    fill(directory, MOST_STEPS - 1)
    assert (directory / names.INDEX_FILE).stat().st_size < MAX_DOCUMENT_SIZE * 0.9
    assert asyncio.run(cache.find("first")) == record(blobs, "first")


def test_of_one_build_too_the_index_does_not_outgrow_its_readers(cache, blobs, tmp_path):
    add(cache, {"first": record(blobs, "first")})
    same = record(blobs, "same")
    add(cache, {key(number): same for number in range(MOST_STEPS + 1)})
    assert known(tmp_path / "cache") == MOST_STEPS
