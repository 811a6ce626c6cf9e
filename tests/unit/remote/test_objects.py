"""Object stores: what is there, what is not, and why not."""

import asyncio

import pytest
from msgspec.structs import replace

from amphora.core.errors import CacheError
from amphora.remote.keepers import Bucket, Login
from amphora.remote.named import Found
from amphora.remote.objects import Objects


@pytest.fixture
def bucket(s3):
    return Bucket(
        "s3",
        s3.bucket,
        endpoint=s3.url,
        region="us-east-1",
        path_style=True,
        login=Login(s3.secret, s3.key_id),
    )


def read(objects, name):
    content = bytearray()
    there = asyncio.run(objects.download(name, content.extend))
    return bytes(content) if there else None


def test_what_is_put_is_there(bucket, tmp_path):
    objects = Objects(bucket)
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 50_000)  # more than one part
    asyncio.run(objects.put("a/b/record", b"one"))
    asyncio.run(objects.put("a/b/record", b"two"))
    asyncio.run(objects.put("layer", file))
    assert read(objects, "a/b/record") == b"two"
    assert read(objects, "layer") == file.read_bytes()
    found = asyncio.run(objects.look("layer"))
    assert found.size == 12_800_000
    assert abs(found.age.total_seconds()) < 600


def test_what_is_not_there(bucket):
    objects = Objects(bucket)
    assert asyncio.run(objects.look("nothing")) is None
    assert read(objects, "nothing") is None


def test_what_writing_raises_comes_through(bucket):
    objects = Objects(bucket)
    asyncio.run(objects.put("name", b"content"))

    def fail(chunk):
        raise CacheError("enough", why="", next_command="")

    with pytest.raises(CacheError, match="enough"):
        asyncio.run(objects.download("name", fail))


@pytest.mark.parametrize(
    ("change", "why", "advice"),
    [
        ({"name": "no-such-bucket"}, "bucket does not exist", "create it"),
        ({"login": Login("wrong", "AKIAWRONG")}, "answered 403", "check the keys"),
        ({"endpoint": "http://127.0.0.1:1"}, "nobody listens", "check the endpoint"),
        ({"endpoint": "http://nowhere.invalid"}, "name of its host", "check the endpoint"),
    ],
)
def test_why_it_cannot_be_read_or_written(bucket, change, why, advice):
    objects = Objects(replace(bucket, **change))
    for failing in (lambda: read(objects, "x"), lambda: asyncio.run(objects.put("x", b"y"))):
        with pytest.raises(CacheError, match="did not let us") as caught:
            failing()
        assert why in caught.value.why
        assert advice in caught.value.next_command
        assert "wrong" not in str(caught.value)


def test_keys_that_are_given_are_not_mixed_with_the_environment(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-somebody-else")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    objects = Objects(bucket)
    asyncio.run(objects.put("name", b"content"))
    assert read(objects, "name") == b"content"
    with pytest.raises(CacheError, match="did not let us"):
        read(Objects(replace(bucket, login=None)), "name")


def test_a_login_is_not_shown(bucket):
    assert bucket.login.secret not in repr(bucket)
    assert bucket.login.key_id not in repr(bucket)


def test_azure(azure):
    bucket = Bucket("azblob", "cache", azure.url, account="tests", login=Login(azure.key))
    objects = Objects(bucket)
    assert asyncio.run(objects.look("a/b")) is None
    assert read(objects, "a/b") is None
    asyncio.run(objects.put("a/b", b"content"))
    assert read(objects, "a/b") == b"content"
    assert asyncio.run(objects.look("a/b")).size == 7
    for change, advice in (
        ({"name": "other"}, "create it"),
        ({"login": Login("d3Jvbmc=")}, "check the keys"),
    ):
        with pytest.raises(CacheError) as caught:
            read(Objects(replace(bucket, **change)), "a/b")
        assert advice in caught.value.next_command


def test_google(google, monkeypatch):
    """Against a server of ours that speaks as the documentation of the XML API says."""
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", google.token)
    bucket = Bucket("gcs", "cache", endpoint=google.url)
    objects = Objects(bucket)
    assert asyncio.run(objects.look("a/b")) is None
    assert read(objects, "a/b") is None
    asyncio.run(objects.put("a/b", b"content"))
    assert read(objects, "a/b") == b"content"
    assert isinstance(asyncio.run(objects.look("a/b")), Found)
    with pytest.raises(CacheError) as caught:
        read(Objects(replace(bucket, name="other")), "a/b")
    assert "create it" in caught.value.next_command
