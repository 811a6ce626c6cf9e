"""The client against registries that lie, stumble, stall or are something else."""

import base64
import json
import re
from dataclasses import replace

import pytest

from amphora.core.descriptor import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import (
    DigestMismatchError,
    ManifestError,
    NotFoundError,
    RegistryAuthError,
    RegistryError,
    RegistryUnreachableError,
)
from amphora.core.reference import Reference
from amphora.oci.blobs import BlobStore
from amphora.oci.model import Index, Manifest
from amphora.registry.client import Registry

LAYER = bytes(range(256)) * 4096


class FakeRegistry:
    """Right answers for one single-layer image; tests put wrong ones before them."""

    def __init__(self, answer) -> None:
        self.answer = answer
        config = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2)
        layer = Descriptor(OCI_LAYER, Digest.of(LAYER), len(LAYER))
        self.manifest = Manifest(config, (layer,)).encode()
        self.contents = {str(Digest.of(content)): content for content in (b"{}", LAYER)}

    def __call__(self, request) -> bytes:
        if "/manifests/" in request.target:
            return self.answer(200, self.manifest, Content_Type=OCI_MANIFEST)
        content = self.contents[request.target.rpartition("/")[2]]
        if "range" in request.headers:
            start = int(re.fullmatch(r"bytes=(\d+)-", request.headers["range"])[1])
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.answer(206, content[start:], Content_Range=span)
        return self.answer(200, content)


@pytest.fixture
def good(answer) -> FakeRegistry:
    return FakeRegistry(answer)


@pytest.fixture
def pull(run_scripted, client, tmp_path):
    """Pulls `app:1` from a scripted server; returns the store and what the server received."""

    def run(respond, environment=None):
        target = BlobStore(tmp_path / "target")
        options = {"environment": environment} if environment else {}
        with run_scripted(respond) as (domain, log):

            async def work(registry: Registry) -> Descriptor:
                return await registry.pull(Reference.parse(f"{domain}/app:1"), target)

            try:
                client(domain, work, **options)
            finally:
                assert list(target.ingest.iterdir()) == []
        return target, log

    return run


def is_layer(request) -> bool:
    return request.target.endswith(str(Digest.of(LAYER)))


def test_a_cut_connection_is_resumed_where_it_broke(pull, good, answer):
    cuts = iter([700_000, 200_000])

    def respond(request):
        whole = good(request)
        head, _, body = whole.partition(b"\r\n\r\n")
        if is_layer(request) and (keep := next(cuts, None)):
            return head + b"\r\n\r\n" + body[:keep]
        return whole

    target, log = pull(respond)
    assert target.read(Digest.of(LAYER)) == LAYER
    starts = [request.headers.get("range", "bytes=0-") for request in log if is_layer(request)]
    offsets = [int(start[6:-1]) for start in starts]
    assert offsets[0] == 0 < offsets[1] < offsets[2] <= 900_000
    assert offsets == sorted(offsets)


def test_a_server_without_range_sends_it_all_again(pull, good, answer):
    answers = iter([answer(200, LAYER[:600_000], len(LAYER)), answer(200, LAYER)])
    target, _ = pull(lambda request: next(answers) if is_layer(request) else good(request))
    assert target.read(Digest.of(LAYER)) == LAYER


def test_a_range_that_was_not_asked_for_is_refused(pull, good, answer):
    answers = iter(
        [
            answer(200, LAYER[:600_000], len(LAYER)),
            answer(206, LAYER, Content_Range=f"bytes 0-{len(LAYER) - 1}/{len(LAYER)}"),
        ]
    )
    with pytest.raises(RegistryError, match="another part"):
        pull(lambda request: next(answers) if is_layer(request) else good(request))


def test_a_connection_cut_for_ever_is_given_up(pull, good, answer):
    def respond(request):
        return answer(200, b"", len(LAYER)) if is_layer(request) else good(request)

    with pytest.raises(RegistryUnreachableError):
        pull(respond)


@pytest.mark.parametrize(
    "body", [LAYER[:-1] + b"!", LAYER[:-1], LAYER + b"more"], ids=["altered", "short", "long"]
)
def test_a_lying_blob_is_not_stored(pull, good, answer, tmp_path, body):
    with pytest.raises(DigestMismatchError):
        pull(lambda request: answer(200, body) if is_layer(request) else good(request))
    assert not BlobStore(tmp_path / "target").has(Digest.of(LAYER))


def test_a_manifest_unlike_its_digest_is_refused(pull, good, answer):
    promised = str(Digest.of(b"something else"))

    def respond(request):
        headers = {"Content_Type": OCI_MANIFEST, "Docker_Content_Digest": promised}
        return answer(200, good.manifest, **headers)

    with pytest.raises(DigestMismatchError, match=promised):
        pull(respond)


def test_a_child_manifest_of_another_size_is_refused(pull, good, answer):
    child = Descriptor(OCI_MANIFEST, Digest.of(good.manifest), len(good.manifest) + 1)
    index = Index((child,)).encode()

    def respond(request):
        if request.target.endswith(("/1", str(Digest.of(index)))):
            return answer(200, index, Content_Type=OCI_INDEX)
        return good(request)

    with pytest.raises(DigestMismatchError, match="bytes"):
        pull(respond)


def test_a_manifest_without_end_is_not_read_to_it(pull, answer):
    huge = b'{"schemaVersion": 2, "x": "' + b"x" * (5 << 20) + b'"}'
    with pytest.raises(RegistryError, match="more than 4194304 bytes"):
        pull(lambda request: answer(200, huge, Content_Type=OCI_MANIFEST))


def test_schema_1_is_refused_by_name(pull, answer):
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    body = b'{"schemaVersion": 1, "name": "app"}'
    for content_type in (kind, "application/json"):
        with pytest.raises(ManifestError, match="schema 1"):
            pull(lambda request, c=content_type: answer(200, body, Content_Type=c))


def test_a_vague_type_is_settled_by_the_manifest_itself(pull, good, answer):
    def respond(request):
        if "/manifests/" in request.target:
            return answer(200, good.manifest, Content_Type="application/json; charset=utf-8")
        return good(request)

    target, _ = pull(respond)
    assert target.has(Digest.of(LAYER))


def test_a_manifest_that_calls_itself_something_else_is_refused(pull, good, answer):
    with pytest.raises(ManifestError, match="calls itself"):
        pull(lambda request: answer(200, good.manifest, Content_Type=OCI_INDEX))


def test_errors_pass_if_they_are_transient(pull, good, answer):
    layer = iter([answer(500), answer(503)])
    head = iter([answer(429, Retry_After="0"), answer(502)])

    def respond(request):
        stumbles = layer if is_layer(request) else head
        return next(stumbles, None) or good(request)

    target, _ = pull(respond)
    assert target.has(Digest.of(LAYER))


def test_errors_that_stay_are_told_with_the_registrys_words(pull, answer):
    body = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "slow\x1b[31m down"}]})

    def respond(request):
        return answer(404) if request.method == "HEAD" else answer(429, body.encode())

    with pytest.raises(RegistryError) as caught:
        pull(respond)
    assert "429: TOOMANYREQUESTS slow?[31m down" in str(caught.value)


def test_a_web_page_is_not_a_manifest(pull, answer):
    page = b"<html><body>Welcome to nginx!</body></html>"
    with pytest.raises(RegistryError, match="text/html, not a manifest"):
        pull(lambda request: answer(200, page, Content_Type="text/html"))


def test_a_web_page_as_an_error_is_quoted_short_and_clean(pull, answer):
    page = b"<html>\x07" + b"go away " * 1000 + b"</html>"

    def respond(request):
        return answer(404) if request.method == "HEAD" else answer(418, page)

    with pytest.raises(RegistryError) as caught:
        pull(respond)
    assert "it answered 418: <html>?go away" in caught.value.why
    assert len(caught.value.why) < 250


def test_not_found_is_not_found(pull, answer):
    with pytest.raises(NotFoundError):
        pull(lambda request: answer(404, b"nope"))


def test_no_http_at_all_is_unreachable(pull):
    with pytest.raises(RegistryUnreachableError):
        pull(lambda request: b"SSH-2.0-OpenSSH_9.2\r\n")


def test_redirected_blobs_carry_no_authorization(pull, good, answer, run_scripted, basic_login):
    def storage(request):
        path, _, query = request.target.partition("?")
        assert query == "X-Signature=1"
        return good(replace(request, target=path))

    with run_scripted(storage) as (elsewhere, elsewhere_log):

        def respond(request):
            if "authorization" not in request.headers:
                return answer(401, WWW_Authenticate='Basic realm="x"')
            if is_layer(request):
                digest = Digest.of(LAYER)
                where = f"http://{elsewhere}/signed/{digest}?X-Signature=1"
                return answer(307, Location=where)
            return good(request)

        target, log = pull(respond, basic_login)
    assert target.has(Digest.of(LAYER))
    assert elsewhere_log
    assert all("authorization" not in request.headers for request in elsewhere_log)
    assert [r for r in log if is_layer(r)][-1].headers["authorization"] == BASIC


def test_a_challenge_from_a_redirects_target_gets_nothing(
    pull, good, answer, run_scripted, basic_login
):
    with run_scripted(lambda _: answer(401, WWW_Authenticate='Basic realm="y"')) as (
        elsewhere,
        elsewhere_log,
    ):

        def respond(request):
            if "authorization" not in request.headers:
                return answer(401, WWW_Authenticate='Basic realm="x"')
            if is_layer(request):
                return answer(302, Location=f"http://{elsewhere}/blob?secret=signature")
            return good(request)

        with pytest.raises(RegistryAuthError) as caught:
            pull(respond, basic_login)
    assert "signature" not in str(caught.value)
    assert len(elsewhere_log) == 1
    assert "authorization" not in elsewhere_log[0].headers


def test_redirects_without_end_are_not_followed_to_it(pull, good, answer):
    def respond(request):
        if "/manifests/" in request.target:
            return good(request)
        return answer(302, Location=request.target)

    with pytest.raises(RegistryError, match="more than 5 times"):
        pull(respond)


@pytest.mark.parametrize("location", ["ftp://host/x", "file:///etc/passwd", "http://host:port/"])
def test_redirects_to_nowhere_are_refused(pull, good, answer, location):
    def respond(request):
        return answer(302, Location=location) if is_layer(request) else good(request)

    with pytest.raises(RegistryError, match="Location"):
        pull(respond)


PASSWORD = "p4ssw0rd"
BASIC = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()


@pytest.fixture
def basic_login(tmp_path) -> dict[str, str]:
    """A docker configuration whose credential helper knows every registry on this machine."""
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f'#!/bin/sh\necho \'{{"Username": "ann", "Secret": "{PASSWORD}"}}\'\n')
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credsStore": "test"}')
    return {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)}


class TokenServer:
    """A registry whose tokens are good for a number of requests, and its token server."""

    def __init__(self, good, answer, uses: int = 1000) -> None:
        self.good, self.answer, self.uses = good, answer, uses
        self.issued = 0
        self.left = 0
        self.asked = []

    def __call__(self, request) -> bytes:
        host = request.headers["host"]
        if request.target.startswith("/token"):
            return self.token(request)
        if request.headers.get("authorization") != f"Bearer token-{self.issued}" or not self.left:
            realm = f'Bearer realm="http://{host}/token?a=b",service="reg, istry"'
            scope = 'scope="repository:app:pull"'
            return self.answer(401, WWW_Authenticate=f"{realm},{scope}")
        self.left -= 1
        return self.good(request)

    def token(self, request) -> bytes:
        self.asked.append(request)
        self.issued += 1
        self.left = self.uses
        return self.answer(200, json.dumps({"token": f"token-{self.issued}"}).encode())


def test_an_anonymous_token_is_fetched_once_and_reused(pull, good, answer):
    server = TokenServer(good, answer)
    target, log = pull(server)
    assert target.has(Digest.of(LAYER))
    assert server.issued == 1
    assert server.asked[0].method == "GET"
    assert "authorization" not in server.asked[0].headers
    query = server.asked[0].target
    assert query.startswith("/token?a=b&service=reg%2C")
    assert query.count("scope=") == 1
    assert sum("authorization" not in request.headers for request in log) == 2


def test_an_expired_token_is_replaced(pull, good, answer):
    server = TokenServer(good, answer, uses=2)
    target, _ = pull(server)
    assert target.has(Digest.of(LAYER))
    assert server.issued == 3


def test_the_password_goes_to_the_token_server_only(pull, good, answer, basic_login):
    server = TokenServer(good, answer)
    _, log = pull(server, basic_login)
    assert [request.headers["authorization"] for request in server.asked] == [BASIC]
    others = [request for request in log if request not in server.asked]
    assert all(request.headers.get("authorization") != BASIC for request in others)


def test_an_identity_token_is_exchanged_by_post(pull, good, answer, tmp_path):
    helper = tmp_path / "docker-credential-test"
    helper.write_text('#!/bin/sh\necho \'{"Username": "<token>", "Secret": "ident/ity"}\'\n')
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text('{"credsStore": "test"}')
    server = TokenServer(good, answer)
    pull(server, {"DOCKER_CONFIG": str(tmp_path), "PATH": str(tmp_path)})
    (asked,) = server.asked
    assert asked.method == "POST"
    assert b"grant_type=refresh_token&refresh_token=ident%2Fity&" in asked.body
    assert b"scope=repository%3Aapp%3Apull" in asked.body
    assert "authorization" not in asked.headers


def test_a_token_server_that_refuses_is_an_auth_error_without_its_echo(
    pull, good, answer, basic_login
):
    server = TokenServer(good, answer)
    server.token = lambda request: answer(401, f"bad: {request.headers}".encode())
    with pytest.raises(RegistryAuthError) as caught:
        pull(server, basic_login)
    told = f"{caught.value} {caught.value.next_command}"
    assert "user 'ann' from docker-credential-test" in told
    assert "docker login" in told
    assert PASSWORD not in told
    assert BASIC[6:] not in told


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"token": "new\\nline"}', b"x" * (2 << 20)])
def test_a_token_server_that_answers_nonsense_is_named(pull, good, answer, body):
    server = TokenServer(good, answer)
    server.token = lambda request: answer(200, body)
    with pytest.raises(RegistryError, match="token server"):
        pull(server)


@pytest.mark.parametrize("realm", ["", "ftp://host/", "http://host:port/", "/relative"])
def test_a_challenge_with_a_bad_realm_is_nonsense(pull, answer, realm):
    challenge = f'Bearer realm="{realm}"'
    with pytest.raises(RegistryError, match="challenge"):
        pull(lambda request: answer(401, WWW_Authenticate=challenge))


def test_a_registry_that_never_accepts_is_an_auth_error(pull, good, answer, basic_login):
    with pytest.raises(RegistryAuthError, match="user 'ann'"):
        pull(lambda request: answer(401, WWW_Authenticate='Basic realm="x"'), basic_login)
