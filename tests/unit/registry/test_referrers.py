"""Artifacts pushed beside images: listed by the registry, or by us in its place."""

import json
import re

import httpx2
import pytest

from amphora.core.descriptor import OCI_INDEX, OCI_MANIFEST
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError, NotFoundError, RegistryError
from amphora.core.reference import Reference
from amphora.oci.model import Index, Manifest
from amphora.oci.referrers import put_artifact

TYPE = "application/vnd.example.report"


def fetch(url):
    return httpx2.get(url, trust_env=False).content


def artifact(blobs, subject, text=b"all is well"):
    return put_artifact(blobs, subject, TYPE, [blobs.put(text, "text/plain")], {"by": "me"})


def test_our_registry_lists_it(server, client, blobs, make_image):
    root = make_image(blobs)
    reference = server.reference("me/app:1.0")
    first, second = artifact(blobs, root), artifact(blobs, root, b"again")

    async def push(registry):
        await registry.push(blobs, root, reference)
        for each in (first, second, first):
            await registry.attach(blobs, each, reference)

    client(server.domain, push)
    listed = Index.decode(fetch(f"{server.url}/v2/me/app/referrers/{root.digest}")).manifests
    assert {each.digest for each in listed} == {first.digest, second.digest}
    assert all((each.artifact_type, each.annotations) == (TYPE, {"by": "me"}) for each in listed)
    pushed = fetch(f"{server.url}/v2/me/app/manifests/{first.digest}")
    assert Manifest.decode(pushed).subject.digest == root.digest
    tags = json.loads(fetch(f"{server.url}/v2/me/app/tags/list"))["tags"]
    assert tags == ["1.0"]


def test_without_the_subject_nothing_is_sent(server, client, blobs, make_image):
    made = artifact(blobs, make_image(blobs))
    reference = server.reference("me/app:1.0")
    with pytest.raises(NotFoundError, match="nothing can be attached") as caught:
        client(server.domain, lambda registry: registry.attach(blobs, made, reference))
    assert caught.value.next_command == f"amphora push {reference.familiar}"
    with pytest.raises(NotFoundError):
        client(
            server.domain,
            lambda registry: registry.resolve(server.reference(f"me/app@{made.digest}")),
        )


class OldRegistry:
    """One that takes every manifest, and knows nothing of subjects."""

    def __init__(self, answer, subject, content) -> None:
        self.answer = answer
        self.manifests = {str(subject.digest): (subject.media_type, content)}

    def __call__(self, request) -> bytes:
        name = request.target.rpartition("/")[2]
        if "/manifests/" not in request.target:
            return self._blob(request)
        if request.method == "PUT":
            self.manifests[name] = (request.headers["content-type"], request.body)
            return self.answer(201)
        if name not in self.manifests:
            return self.answer(404)
        media_type, content = self.manifests[name]
        return self.answer(
            200,
            b"" if request.method == "HEAD" else content,
            length=len(content),
            Content_Type=media_type,
            Docker_Content_Digest=str(Digest.of(content)),
        )

    def _blob(self, request) -> bytes:
        if request.method == "HEAD":
            return self.answer(404)
        if request.method == "POST":
            return self.answer(202, Location=f"{request.target}session")
        return self.answer(201)


@pytest.fixture
def old(run_scripted, answer, blobs, make_image):
    """An old registry with an image; its answers, its domain, the image."""
    root = make_image(blobs)
    registry = OldRegistry(answer, root, blobs.read(root.digest))
    with run_scripted(registry) as (domain, log):
        yield registry, domain, root, log


def test_an_old_registry_gets_a_list_under_a_tag(old, client, blobs):
    registry, domain, root, log = old
    first, second = artifact(blobs, root), artifact(blobs, root, b"again")
    reference = Reference.parse(f"{domain}/app:1.0")
    for each in (first, second, first):
        client(domain, lambda connection, each=each: connection.attach(blobs, each, reference))
    tag = str(root.digest).replace(":", "-")
    media_type, content = registry.manifests[tag]
    listed = Index.decode(content).manifests
    assert media_type == OCI_INDEX
    assert [each.digest for each in listed] == [first.digest, second.digest]
    assert {(each.media_type, each.artifact_type) for each in listed} == {(OCI_MANIFEST, TYPE)}
    assert all(each.annotations == {"by": "me"} for each in listed)
    # The list comes after what is in it.
    puts = [each.target for each in log if each.method == "PUT" and "/manifests/" in each.target]
    assert [re.sub(".*/manifests/", "", each) for each in puts] == [
        *(str(first.digest), tag, str(second.digest), tag, str(first.digest))
    ]


def test_what_is_no_list_is_left_alone(old, client, blobs):
    registry, domain, root, _ = old
    other = Manifest(artifact(blobs, root), ()).encode()
    tag = str(root.digest).replace(":", "-")
    registry.manifests[tag] = (OCI_MANIFEST, other)
    made = artifact(blobs, root)
    reference = Reference.parse(f"{domain}/app:1.0")
    with pytest.raises(RegistryError, match="not a list of artifacts"):
        client(domain, lambda connection: connection.attach(blobs, made, reference))
    assert registry.manifests[tag] == (OCI_MANIFEST, other)


def test_what_is_about_an_image_comes_before_its_tag(old, client, blobs):
    registry, domain, root, log = old
    first = artifact(blobs, root)
    about_it = artifact(blobs, first, b"signed")
    reference = Reference.parse(f"{domain}/app:1.0")
    client(
        domain,
        lambda connection: connection.push(blobs, root, reference, artifacts=[first, about_it]),
    )
    tags = [str(each.digest).replace(":", "-") for each in (root, first)]
    puts = [each.target for each in log if each.method == "PUT" and "/manifests/" in each.target]
    assert [re.sub(".*/manifests/", "", each) for each in puts[-6:]] == [
        *(str(root.digest), str(first.digest), tags[0], str(about_it.digest), tags[1], "1.0")
    ]
    assert registry.manifests["1.0"][1] == blobs.read(root.digest)


def test_an_image_with_artifacts_is_not_pushed_under_another_digest(
    server, client, blobs, make_image
):
    root = make_image(blobs)
    reference = server.reference(f"me/app@{Digest.of(b'other')}")
    with pytest.raises(InvalidValueError, match="cannot be pushed"):
        client(
            server.domain,
            lambda registry: registry.push(
                blobs, root, reference, artifacts=[artifact(blobs, root)]
            ),
        )
