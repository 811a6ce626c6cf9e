"""--cache-from and --cache-to, as values."""

from datetime import timedelta
from pathlib import Path

import pytest

from amphora.build.caches.places import (
    CachePlace,
    Directory,
    InActions,
    InBucket,
    Inline,
    Repository,
)
from amphora.cli.cache_options import read_cache
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference
from amphora.remote.keepers import ActionsService, Bucket, Login

CACHE = Repository(Reference.parse("localhost:5000/cache:main"))
S3 = Bucket("s3", "b", region="eu-west-1")
AZURE = "https://me.blob.core.windows.net"


def objects(bucket, prefix="", **others):
    defaults = {"names": ("buildkit",), "parallel": 4, "refresh": timedelta(hours=24)}
    names = {"records": f"{prefix}manifests/", "layers": f"{prefix}blobs/"}
    return InBucket(bucket, **(names | defaults | others))


def read(flag, text, **environment):
    return read_cache(flag, text, environment)


@pytest.mark.parametrize(
    ("flag", "text", "expected"),
    [
        ("--cache-from", "localhost:5000/cache:main", CachePlace(CACHE)),
        ("--cache-from", "type=registry,ref=localhost:5000/cache:main", CachePlace(CACHE)),
        ("--cache-from", "type=local,src=/a", CachePlace(Directory(Path("/a")))),
        (
            "--cache-to",
            "type=local,dest=/a,mode=max",
            CachePlace(Directory(Path("/a")), everything=True),
        ),
        (
            "--cache-to",
            "type=registry,ref=localhost:5000/cache:main,mode=min,image-manifest=true",
            CachePlace(CACHE),
        ),
        ("--cache-to", "type=inline", CachePlace(Inline())),
        (
            "--cache-to",
            "type=s3,bucket=b,region=eu-west-1,ignore-error=true,mode=max",
            CachePlace(objects(S3), everything=True, ignore_error=True),
        ),
        (
            "--cache-from",
            "type=s3,bucket=b,region=eu-west-1,access_key_id=a,secret_access_key=s,"
            "session_token=t,endpoint_url=http://localhost:9000,use_path_style=true,"
            "prefix=/p//q/,manifests_prefix=m/,blobs_prefix=l/,name=one;two",
            CachePlace(
                objects(
                    Bucket(
                        "s3",
                        "b",
                        "http://localhost:9000",
                        "eu-west-1",
                        path_style=True,
                        login=Login("s", "a", "t"),
                    ),
                    records="p/q/m/",
                    layers="p/q/l/",
                    names=("one", "two"),
                )
            ),
        ),
        (
            "--cache-to",
            "type=s3,bucket=b,region=eu-west-1,upload_parallelism=9,touch_refresh=1h30m",
            CachePlace(objects(S3, parallel=9, refresh=timedelta(hours=1.5))),
        ),
        (
            "--cache-from",
            f"type=azblob,account_url={AZURE}/,container=c,secret_access_key=s,prefix=p",
            CachePlace(objects(Bucket("azblob", "c", AZURE, account="me", login=Login("s")), "p/")),
        ),
        (
            "--cache-from",
            "type=azblob,account_url=http://127.0.0.1:10000/dev",
            CachePlace(
                objects(
                    Bucket("azblob", "buildkit-cache", "http://127.0.0.1:10000/dev", account="dev")
                )
            ),
        ),
        (
            "--cache-from",
            "type=gcs,bucket=b,prefix=p-",
            CachePlace(objects(Bucket("gcs", "b"), "p-")),
        ),
        (
            "--cache-from",
            "type=gha,url_v2=https://a.example/,token=t,scope=s,timeout=90s",
            CachePlace(InActions(ActionsService("https://a.example/", "t", 90.0), "s")),
        ),
    ],
)
def test_what_buildx_takes(flag, text, expected):
    assert read(flag, text) == expected


def test_what_the_environment_says():
    s3 = read(
        "--cache-to",
        "type=s3,use_path_style=1",
        AWS_BUCKET="b",
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_ENDPOINT_URL="http://localhost:9000",
        AWS_SECRET_ACCESS_KEY="left to those who sign",
    )
    bucket = Bucket("s3", "b", "http://localhost:9000", "eu-west-1", path_style=True)
    assert s3 == CachePlace(objects(bucket))
    job = {
        "ACTIONS_RESULTS_URL": "https://results.example/",
        "ACTIONS_CACHE_URL": "https://cache.example/",
        "ACTIONS_RUNTIME_TOKEN": "t",
    }
    service = ActionsService("https://results.example/", "t", 600.0)
    assert read("--cache-to", "type=gha", **job) == CachePlace(InActions(service, "buildkit"))
    azure = {
        "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL": AZURE,
        "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME": "other",
        "BUILDKIT_AZURE_STORAGE_CONTAINER": "c",
        "BUILDKIT_AZURE_STORAGE_PREFIX": "p",
    }
    expected = objects(Bucket("azblob", "c", AZURE, account="other"), "p/")
    assert read("--cache-to", "type=azblob", **azure) == CachePlace(expected)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type=ipfs", "its types are local, registry, inline, gha, s3, azblob, gcs"),
        ("type=local", "type=local needs dest"),
        ("type=local,src=/a", "has no option 'src'"),
        ("type=registry,ref=a,mode=most", "mode is min or max"),
        ("type=registry,ref=a,oci-mediatypes=false", "is always true here"),
        ("type=registry,ref=a@sha256:" + "0" * 64, "no digest that is known"),
        ("type=registry,ref=a,ignore-error=maybe", "ignore-error is true or false"),
        ("type=registry,ref", "it is written as"),
        ('type=registry,"ref=a', "unexpected end"),
        ("type=inline,mode=max", "the image only"),
        ("type=s3", "type=s3 needs bucket or $AWS_BUCKET"),
        ("type=s3,bucket=b,access_key_id=a", "go together"),
        ("type=s3,bucket=b,use_path_style=yes", "use_path_style is true or false"),
        ("type=s3,bucket=b,endpoint_url=localhost:9000", "endpoint_url is a URL"),
        ("type=s3,bucket=b,endpoint_url=http://a:b@c", "without a password"),
        ("type=s3,bucket=b,prefix=../", "no name of objects"),
        ("type=s3,bucket=b,upload_parallelism=0", "from 1 to 999"),
        ("type=s3,bucket=b,touch_refresh=soon", "touch_refresh is a duration"),
        ("type=azblob", "needs account_url"),
        ("type=gcs", "type=gcs needs bucket"),
        ("type=gha,version=1", "is not spoken"),
        ("type=gha,scope=" + "s" * 201, "at most 200"),
        ("type=gha,timeout=0s", "timeout is a duration"),
    ],
)
def test_what_is_no_cache(text, why):
    with pytest.raises(InvalidValueError, match="--cache-to cannot be") as caught:
        read("--cache-to", text)
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type=inline", "type=registry,ref=IMAGE"),
        ("type=s3,bucket=b,mode=max", "has no option 'mode'"),
    ],
)
def test_what_cannot_be_read_from(text, why):
    with pytest.raises(InvalidValueError, match="--cache-from cannot be") as caught:
        read("--cache-from", text)
    assert why in caught.value.why


@pytest.mark.parametrize(
    "text",
    [
        "type=s3,bucket=b,secret_access_key=hunter2,colour=blue",
        "type=s3,access_key_id=hunter2,mode=x",
        'type=gha,"token=hunter2',
        "type=gha,TOKEN=hunter2,x",
        "type=azblob,secret_access_key=hunter2",
    ],
)
def test_no_secret_is_in_what_is_said(text):
    with pytest.raises(InvalidValueError) as caught:
        read("--cache-to", text)
    assert "hunter2" not in caught.value.what + caught.value.why + caught.value.next_command


def test_a_place_shows_no_secret():
    text = "type=s3,bucket=b,access_key_id=hunter2,secret_access_key=hunter2,session_token=hunter2"
    assert "hunter2" not in repr(read("--cache-from", text))
    assert "hunter2" not in repr(read("--cache-from", "type=gha,token=hunter2"))
