"""Steps as objects of a bucket: what comes back, what is refused, what is written again."""

import asyncio
import json
from datetime import timedelta

import pytest

from amphora.build.caches.objects import Naming, ObjectCache
from amphora.build.caches.records import MAX_RECORD
from amphora.core.descriptor import OCI_LAYER_GZIP
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, ManifestError
from amphora.oci.blobs import BlobStore
from amphora.oci.steps import CacheRecord
from amphora.remote.keepers import Bucket, Login
from amphora.remote.objects import Objects

KEY = "0" * 64
EMPTY = CacheRecord(None, None, "2026-01-02T03:04:05Z", "native", 0.5)
DAY = timedelta(days=1)


@pytest.fixture
def cache(s3, tmp_path):
    """A cache in the bucket, for another store each time it is asked for."""

    def make(name="store", names=("main",), refresh=DAY):
        bucket = Bucket(
            "s3",
            s3.bucket,
            endpoint=s3.url,
            region="us-east-1",
            path_style=True,
            login=Login(s3.secret, s3.key_id),
        )
        naming = Naming("p/blobs/", tuple(f"p/manifests/{name}/" for name in names))
        blobs = BlobStore(tmp_path / name)
        return ObjectCache(blobs, Objects(bucket), naming, parallel=2, refresh=refresh), blobs

    return make


def record(blobs, content=b"layer"):
    layer = blobs.put(content, OCI_LAYER_GZIP)
    return CacheRecord(layer, Digest.of(content), "2026-01-02T03:04:05Z", "emulated", 1.5)


def add(cache, record, damaged=()):
    asyncio.run(cache.add({KEY: record}, damaged))


def find(cache, key=KEY):
    return asyncio.run(cache.find(key))


def layer_name(s3):
    return next(name for name in s3.names() if "/blobs/" in name)


def test_another_store_finds_what_one_added(cache, s3):
    mine, blobs = cache()
    made = record(blobs)
    add(mine, made)
    assert s3.names() == [
        f"p/blobs/sha256-{made.layer.digest.hex}",
        f"p/manifests/main/{KEY}",
    ]
    other, others = cache("other")
    assert find(other) == made
    assert others.read(made.layer.digest) == b"layer"
    assert find(other, "1" * 64) is None


def test_a_step_without_a_layer(cache):
    add(cache()[0], EMPTY)
    assert find(cache("other")[0]) == EMPTY


def test_several_names_are_written_and_read(cache, s3):
    add(cache(names=("branch", "main"))[0], EMPTY)
    assert len(s3.names()) == 2
    assert find(cache("other", names=("nobody", "main"))[0]) == EMPTY
    assert find(cache("other", names=("nobody",))[0]) is None


@pytest.mark.parametrize("content", [b"", b"laye", b"lazer", b"layer and more"])
def test_a_layer_that_is_another_is_refused(cache, s3, content):
    mine, blobs = cache()
    made = record(blobs)
    add(mine, made)
    s3.put(layer_name(s3), content)
    other, others = cache("other")
    with pytest.raises(DigestMismatchError):
        find(other)
    assert list(others) == []
    assert list(others.ingest.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"created":"","ran":"","seconds":1,"diff_id":"sha256:' + b"0" * 64 + b'"}',
        b'{"created":"","ran":"","seconds":1,"diff_id":"sha256:short"}',
        b'{"created":"","ran":"","seconds":1,"layer":{"mediaType":"","digest":"x","size":1}}',
        b'{"created":"' + b"x" * MAX_RECORD + b'","ran":"","seconds":1}',
    ],
)
def test_a_record_that_is_none_is_refused(cache, s3, content):
    s3.put(f"p/manifests/main/{KEY}", content)
    with pytest.raises(ManifestError, match="is malformed"):
        find(cache()[0])


def test_a_layer_that_somebody_deleted_is_no_damage(cache, s3):
    mine, blobs = cache()
    add(mine, record(blobs))
    s3.client().delete_object(Bucket=s3.bucket, Key=layer_name(s3))
    assert find(cache("other")[0]) is None
    add(mine, record(blobs))
    assert find(cache("other")[0]) == record(blobs)


def test_what_is_there_stays_unless_it_is_damaged(cache, s3):
    mine, blobs = cache()
    add(mine, record(blobs))
    other = json.dumps({"created": "", "ran": "", "seconds": 9}).encode()
    s3.put(f"p/manifests/main/{KEY}", other)
    s3.put(layer_name(s3), b"lazer")
    add(mine, record(blobs))
    assert s3.get(f"p/manifests/main/{KEY}") == other
    add(mine, record(blobs), damaged={KEY})
    assert find(cache("other")[0]) == record(blobs)


def test_a_layer_of_another_size_is_replaced(cache, s3):
    mine, blobs = cache()
    add(mine, record(blobs))
    s3.put(layer_name(s3), b"lay")
    add(mine, record(blobs))
    assert find(cache("other")[0]) == record(blobs)


def test_what_is_old_is_written_again(cache, s3):
    mine, blobs = cache(refresh=timedelta(0))
    add(mine, record(blobs))
    s3.put(layer_name(s3), b"lazer")
    add(mine, record(blobs))
    assert s3.get(layer_name(s3)) == b"layer"
