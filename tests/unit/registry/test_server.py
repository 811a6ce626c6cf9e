"""The embedded registry, request by request, as the distribution specification says."""

import hashlib
import json
import os
import time

import httpx2
import pytest

from amphora.core.descriptor import OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.oci.blobs import BlobStore
from amphora.oci.model import Index, Manifest
from amphora.registry.server.sessions import UploadSessions

BLOB = bytes(range(256)) * 40
DIGEST = Digest.of(BLOB)
EMPTY = Descriptor(OCI_EMPTY, Digest.of(b"{}"), 2)


@pytest.fixture
def http(server):
    with httpx2.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def put_blob(http):
    def put(repository: str, content: bytes) -> Descriptor:
        digest = Digest.of(content)
        target = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        assert http.post(target, content=content).status_code == 201
        return Descriptor(OCI_LAYER, digest, len(content))

    return put


@pytest.fixture
def put_manifest(http, put_blob):
    def put(repository: str, target: str, **fields) -> Descriptor:
        put_blob(repository, b"{}")
        content = Manifest(EMPTY, (), **fields).encode()
        headers = {"Content-Type": OCI_MANIFEST}
        url = f"/v2/{repository}/manifests/{target}"
        reply = http.put(url, content=content, headers=headers)
        assert reply.status_code == 201, reply.text
        digest = Digest.of(content)
        assert reply.headers["docker-content-digest"] == str(digest)
        assert reply.headers["location"] == f"/v2/{repository}/manifests/{digest}"
        return Descriptor(OCI_MANIFEST, digest, len(content))

    return put


def code_of(reply: httpx2.Response) -> str:
    assert reply.headers["content-type"] == "application/json"
    (error,) = reply.json()["errors"]
    return error["code"]


def test_it_says_that_it_is_a_registry(http):
    reply = http.get("/v2/")
    assert reply.status_code == 200
    assert reply.headers["docker-distribution-api-version"] == "registry/2.0"


def test_unknown_paths_and_methods_are_refused_in_json(http):
    assert code_of(http.get("/v3/")) == "UNSUPPORTED"
    reply = http.post("/v2/app/manifests/latest")
    assert (reply.status_code, code_of(reply)) == (405, "UNSUPPORTED")


@pytest.mark.parametrize(
    "name", ["UPPER", "../../etc", "a//b", "a/../b", "-x", "a:b", "a@b", "%2e%2e/x", "x" * 250]
)
def test_names_outside_the_grammar_are_refused(http, name):
    # Encoded, so that the client does not tidy up dots itself.
    path = name.replace(".", "%2E").replace("/", "%2F")
    reply = http.get(f"/v2/{path}/manifests/latest")
    assert (reply.status_code, code_of(reply)) == (400, "NAME_INVALID")


@pytest.mark.parametrize("tag", ["-x", ".x", "x" * 129, "a%20b", "sha256:12"])
def test_tags_and_digests_outside_the_grammar_are_refused(http, tag):
    assert http.get(f"/v2/app/manifests/{tag}").status_code == 400


def test_a_blob_in_one_request(http, put_blob, server):
    put_blob("a/b/c", BLOB)
    reply = http.get(f"/v2/a/b/c/blobs/{DIGEST}")
    assert (reply.status_code, reply.content) == (200, BLOB)
    assert reply.headers["docker-content-digest"] == str(DIGEST)
    head = http.head(f"/v2/a/b/c/blobs/{DIGEST}")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(BLOB)))
    assert code_of(http.get(f"/v2/other/blobs/{DIGEST}")) == "BLOB_UNKNOWN"
    assert os.listdir(server.root / "uploads") == []


def test_a_blob_may_have_a_sha512_name(http):
    digest = "sha512:" + hashlib.sha512(BLOB).hexdigest()
    reply = http.post(f"/v2/app/blobs/uploads/?digest={digest}", content=BLOB)
    assert reply.status_code == 201
    assert http.get(f"/v2/app/blobs/{digest}").content == BLOB


@pytest.mark.parametrize(
    ("asked", "part", "span"),
    [
        ("bytes=10-19", slice(10, 20), "bytes 10-19/10240"),
        ("bytes=10000-", slice(10000, None), "bytes 10000-10239/10240"),
        ("bytes=-5", slice(-5, None), "bytes 10235-10239/10240"),
    ],
)
def test_a_part_of_a_blob(http, put_blob, asked, part, span):
    put_blob("app", BLOB)
    reply = http.get(f"/v2/app/blobs/{DIGEST}", headers={"Range": asked})
    assert (reply.status_code, reply.content) == (206, BLOB[part])
    assert reply.headers["content-range"] == span


def test_a_part_beyond_the_end_is_not_there(http, put_blob):
    put_blob("app", BLOB)
    reply = http.get(f"/v2/app/blobs/{DIGEST}", headers={"Range": "bytes=10240-"})
    assert reply.status_code == 416
    assert reply.headers["content-range"] == "bytes */10240"


def test_chunks_must_follow_each_other(http):
    opened = http.post("/v2/app/blobs/uploads/")
    assert (opened.status_code, opened.headers["range"]) == (202, "0-0")
    location = opened.headers["location"]

    def patch(start: int, end: int, content: bytes) -> httpx2.Response:
        headers = {"Content-Range": f"{start}-{end}"}
        return http.patch(location, content=content, headers=headers)

    first = patch(0, 99, BLOB[:100])
    assert (first.status_code, first.headers["range"]) == (202, "0-99")
    gap = patch(200, 299, BLOB[200:300])
    assert (gap.status_code, gap.headers["range"]) == (416, "0-99")
    assert code_of(gap) == "BLOB_UPLOAD_INVALID"
    again = patch(0, 99, BLOB[:100])
    assert again.status_code == 416
    assert code_of(patch(100, 150, BLOB[100:120])) == "SIZE_INVALID"
    assert http.patch(location, content=b"", headers={"Content-Range": "x"}).status_code == 400
    status = http.get(location)
    assert (status.status_code, status.headers["range"]) == (204, "0-99")
    done = http.put(f"{location}?digest={DIGEST}", content=BLOB[100:])
    assert (done.status_code, done.headers["location"]) == (201, f"/v2/app/blobs/{DIGEST}")
    assert http.get(f"/v2/app/blobs/{DIGEST}").content == BLOB
    assert code_of(http.get(location)) == "BLOB_UPLOAD_UNKNOWN"


def test_a_stream_without_content_range_is_appended(http):
    location = http.post("/v2/app/blobs/uploads/").headers["location"]
    pieces = (BLOB[start : start + 1000] for start in range(0, len(BLOB), 1000))
    assert http.patch(location, content=pieces).status_code == 202
    assert http.put(f"{location}?digest={DIGEST}").status_code == 201
    assert http.get(f"/v2/app/blobs/{DIGEST}").content == BLOB


def test_an_upload_belongs_to_its_repository(http):
    location = http.post("/v2/app/blobs/uploads/").headers["location"]
    assert http.get(location.replace("/app/", "/other/")).status_code == 404


def test_an_upload_has_one_writer_at_a_time(http, server):
    location = http.post("/v2/app/blobs/uploads/").headers["location"]
    session = UploadSessions(server.root / "uploads").find("app", location.rpartition("/")[2])
    with session.appending() as file:
        file.write(b"first")
        reply = http.patch(location, content=b"second")
        assert (reply.status_code, reply.headers["range"]) == (416, "0-4")
    assert http.patch(location, content=b"second").headers["range"] == "0-10"


def test_a_cancelled_upload_is_gone(http, server):
    location = http.post("/v2/app/blobs/uploads/").headers["location"]
    assert http.delete(location).status_code == 204
    assert code_of(http.patch(location, content=b"x")) == "BLOB_UPLOAD_UNKNOWN"
    assert os.listdir(server.root / "uploads") == []


@pytest.mark.parametrize("digest", [str(Digest.of(b"other")), "sha256:12", "md5:" + "0" * 32])
def test_content_unlike_its_digest_is_refused(http, server, digest):
    reply = http.post(f"/v2/app/blobs/uploads/?digest={digest}", content=BLOB)
    assert (reply.status_code, code_of(reply)) == (400, "DIGEST_INVALID")
    assert list(BlobStore(server.root)) == []
    assert os.listdir(server.root / "uploads") == []


def test_finishing_needs_a_digest(http):
    location = http.post("/v2/app/blobs/uploads/").headers["location"]
    assert code_of(http.put(location, content=BLOB)) == "DIGEST_INVALID"


def test_mounting(http, put_blob):
    put_blob("source", BLOB)
    target = f"/v2/app/blobs/uploads/?mount={DIGEST}"
    assert http.post(f"{target}&from=empty").status_code == 202
    assert http.head(f"/v2/app/blobs/{DIGEST}").status_code == 404
    mounted = http.post(f"{target}&from=source")
    assert (mounted.status_code, mounted.headers["location"]) == (201, f"/v2/app/blobs/{DIGEST}")
    assert http.get(f"/v2/app/blobs/{DIGEST}").content == BLOB
    from_anywhere = http.post(f"/v2/third/blobs/uploads/?mount={DIGEST}")
    assert from_anywhere.status_code == 201
    assert code_of(http.post(f"{target}&from=../x")) == "NAME_INVALID"


def test_bytes_go_with_the_last_repository_that_holds_them(http, put_blob, server):
    put_blob("one", BLOB)
    put_blob("two", BLOB)
    store = BlobStore(server.root)
    assert http.delete(f"/v2/one/blobs/{DIGEST}").status_code == 202
    assert http.delete(f"/v2/one/blobs/{DIGEST}").status_code == 404
    assert store.has(DIGEST)
    assert http.get(f"/v2/two/blobs/{DIGEST}").content == BLOB
    assert http.delete(f"/v2/two/blobs/{DIGEST}").status_code == 202
    assert not store.has(DIGEST)


def test_a_manifest_by_tag_and_digest(http, put_manifest):
    manifest = put_manifest("app", "1.0", annotations={"a": "b"})
    for target in ("1.0", str(manifest.digest)):
        reply = http.get(f"/v2/app/manifests/{target}")
        assert Digest.of(reply.content) == manifest.digest
        assert reply.headers["content-type"] == OCI_MANIFEST
        head = http.head(f"/v2/app/manifests/{target}")
        assert (head.content, head.headers) == (
            b"",
            {**reply.headers, "date": head.headers["date"]},
        )
    assert code_of(http.get("/v2/app/manifests/2.0")) == "MANIFEST_UNKNOWN"


def test_a_manifest_needs_its_blobs_and_an_index_its_manifests(http, put_blob, put_manifest):
    layer = Descriptor(OCI_LAYER, DIGEST, len(BLOB))
    put_blob("app", b"{}")
    content = Manifest(EMPTY, (layer,)).encode()

    def put(content: bytes, kind: str, name: str = "x") -> httpx2.Response:
        headers = {"Content-Type": kind}
        return http.put(f"/v2/app/manifests/{name}", content=content, headers=headers)

    index = Index((Descriptor(OCI_MANIFEST, Digest.of(content), len(content)),)).encode()
    put_blob("other", BLOB)
    for document, kind in ((content, OCI_MANIFEST), (index, OCI_INDEX)):
        reply = put(document, kind)
        assert (reply.status_code, code_of(reply)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert http.get("/v2/app/manifests/x").status_code == 404
    put_blob("app", BLOB)
    assert put(content, OCI_MANIFEST, str(Digest.of(content))).status_code == 201
    assert put(index, OCI_INDEX).status_code == 201


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>", OCI_MANIFEST),
        (b"{}", OCI_MANIFEST),
        (b"[]", OCI_INDEX),
        (b"\xff", OCI_INDEX),
        (Index(()).encode(), OCI_MANIFEST),
        (Index(()).encode(), "text/html"),
        (b'{"schemaVersion":2,"manifests":[],"subject":{"digest":"x"}}', OCI_INDEX),
        (b"[" * 100_000, OCI_INDEX),
    ],
)
def test_what_is_not_a_manifest_is_refused(http, content, kind):
    reply = http.put("/v2/app/manifests/x", content=content, headers={"Content-Type": kind})
    assert (reply.status_code, code_of(reply)) == (400, "MANIFEST_INVALID")


def test_a_manifest_under_a_wrong_digest_is_refused(http):
    reply = http.put(
        f"/v2/app/manifests/{DIGEST}",
        content=Index(()).encode(),
        headers={"Content-Type": OCI_INDEX},
    )
    assert (reply.status_code, code_of(reply)) == (400, "DIGEST_INVALID")


def test_a_manifest_that_is_too_large_is_refused(http):
    reply = http.put("/v2/app/manifests/x", content=b" " * ((4 << 20) + 1))
    assert (reply.status_code, code_of(reply)) == (413, "SIZE_INVALID")


def test_deleting_a_tag_leaves_the_manifest_and_deleting_that_takes_all_tags(http, put_manifest):
    manifest = put_manifest("app", "one")
    put_manifest("app", "two")
    url = "/v2/app/manifests"
    assert http.delete(f"{url}/one").status_code == 202
    assert http.delete(f"{url}/one").status_code == 404
    assert http.get(f"{url}/two").status_code == 200
    assert http.delete(f"{url}/{manifest.digest}").status_code == 202
    assert http.get(f"{url}/two").status_code == 404
    assert http.get(f"{url}/{manifest.digest}").status_code == 404
    assert http.get("/v2/app/tags/list").json() == {"name": "app", "tags": []}


def test_tags_come_in_pages(http, put_manifest):
    names = ["alpha", "Beta", "gamma", "v1", "v10", "v2"]
    for name in reversed(names):
        put_manifest("app", name)
    assert http.get("/v2/app/tags/list").json() == {"name": "app", "tags": names}
    seen, url = [], "/v2/app/tags/list?n=4"
    while url:
        reply = http.get(url)
        seen.append(reply.json()["tags"])
        url = reply.links.get("next", {}).get("url")
    assert seen == [names[:4], names[4:]]
    assert http.get("/v2/app/tags/list?n=0").json()["tags"] == []
    assert http.get("/v2/app/tags/list?last=v1").json()["tags"] == ["v10", "v2"]
    assert http.get("/v2/app/tags/list?n=x").status_code == 400
    assert code_of(http.get("/v2/none/tags/list")) == "NAME_UNKNOWN"


def test_the_catalog_comes_in_pages(http, put_manifest):
    for name in ("b/x", "a", "c"):
        put_manifest(name, "latest")
    assert http.get("/v2/_catalog").json() == {"repositories": ["a", "b/x", "c"]}
    first = http.get("/v2/_catalog?n=2")
    assert first.json() == {"repositories": ["a", "b/x"]}
    assert http.get(first.links["next"]["url"]).json() == {"repositories": ["c"]}


def test_referrers_are_listed_and_filtered(http, put_manifest):
    subject = put_manifest("app", "1.0")
    url = f"/v2/app/referrers/{subject.digest}"
    empty = http.get(url)
    assert (empty.status_code, empty.headers["content-type"]) == (200, OCI_INDEX)
    assert Index.decode(empty.content).manifests == ()
    signature = put_manifest(
        "app", "sig", subject=subject, artifact_type="test/signature", annotations={"by": "ann"}
    )
    put_manifest("app", "bom", subject=subject)
    listed = Index.decode(http.get(url).content).manifests
    assert {item.artifact_type for item in listed} == {"test/signature", OCI_EMPTY}
    reply = http.get(url, params={"artifactType": "test/signature"})
    (found,) = Index.decode(reply.content).manifests
    assert (found.digest, found.size) == (signature.digest, signature.size)
    assert found.annotations == {"by": "ann"}
    assert reply.headers["oci-filters-applied"] == "artifactType"


def test_a_subject_need_not_exist_and_is_confirmed(http, put_blob):
    put_blob("app", b"{}")
    subject = Descriptor(OCI_MANIFEST, Digest.of(b"later"), 5)
    content = Manifest(EMPTY, (), subject=subject).encode()
    headers = {"Content-Type": OCI_MANIFEST}
    reply = http.put("/v2/app/manifests/x", content=content, headers=headers)
    assert (reply.status_code, reply.headers["oci-subject"]) == (201, str(subject.digest))


def test_an_index_may_have_a_subject(http):
    subject = Digest.of(b"later")
    raw = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [],
        "artifactType": "test/set",
        "subject": {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 5},
    }
    headers = {"Content-Type": OCI_INDEX}
    http.put("/v2/app/manifests/x", content=json.dumps(raw), headers=headers)
    listed = Index.decode(http.get(f"/v2/app/referrers/{subject}").content).manifests
    assert [(item.media_type, item.artifact_type) for item in listed] == [(OCI_INDEX, "test/set")]


def test_everything_survives_a_restart(run_registry, tmp_path):
    root = tmp_path / "kept"
    with (
        run_registry(root) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as http,
    ):
        target = f"/v2/app/blobs/uploads/?digest={EMPTY.digest}"
        assert http.post(target, content=b"{}").status_code == 201
        content = Manifest(EMPTY, ()).encode()
        headers = {"Content-Type": OCI_MANIFEST}
        assert http.put("/v2/app/manifests/1", content=content, headers=headers).is_success
        location = http.post("/v2/app/blobs/uploads/").headers["location"]
        http.patch(location, content=BLOB[:5000])
    with (
        run_registry(root) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as http,
    ):
        assert http.get("/v2/app/manifests/1").content == content
        assert http.get(location).headers["range"] == "0-4999"
        done = http.put(f"{location}?digest={DIGEST}", content=BLOB[5000:])
        assert done.status_code == 201


def test_a_start_removes_what_a_crash_or_a_lazy_client_left(run_registry, tmp_path):
    root = tmp_path / "kept"
    store = BlobStore(root)
    nameless = store.put(b"in place, but the catalog was not reached", OCI_LAYER)
    (root / "uploads").mkdir()
    long_ago = time.time() - 25 * 3600
    for name, moment in (("old", long_ago), ("new", None)):
        for directory in ("uploads", "ingest"):
            (root / directory / name).write_bytes(b"x")
            if moment:
                os.utime(root / directory / name, (moment, moment))
    with run_registry(root):
        assert os.listdir(root / "uploads") == ["new"]
        assert os.listdir(root / "ingest") == ["new"]
        assert not store.has(nameless.digest)


def test_an_address_in_use_is_a_clear_error(run_registry, server, tmp_path):
    port = int(server.domain.rpartition(":")[2])
    with (
        pytest.raises(InvalidValueError, match=f"port {port}.*in use"),
        run_registry(tmp_path / "second", port=port),
    ):
        pass


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic",
        "Basic ???",
        "Basic /w==",
        "Basic YW5u",
        "Basic YW5uOg==",
        "Bearer YW5uOnNlY3JldA==",
    ],
)
def test_the_door_stays_shut(run_registry, tmp_path, header):
    with run_registry(tmp_path / "guarded", users={"ann": "secret"}) as server:
        url = f"{server.url}/v2/"
        reply = httpx2.get(url, headers={"Authorization": header} if header else {})
        assert (reply.status_code, code_of(reply)) == (401, "UNAUTHORIZED")
        assert reply.headers["www-authenticate"].startswith("Basic realm=")
        assert httpx2.get(url, auth=("ann", "secret")).status_code == 200
