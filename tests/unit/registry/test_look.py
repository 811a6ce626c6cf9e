"""Looking at an image in a registry without its layers, and asking whether it lets us in."""

import json
import socket

import pytest

from amphora.core.errors import (
    NotFoundError,
    RegistryAuthError,
    RegistryError,
    RegistryUnreachableError,
)
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import children


def test_an_index_shows_its_entries(server, client, blobs, make_image):
    root = make_image(blobs)
    reference = server.reference("me/app:1.0")

    async def push_and_look(registry):
        await registry.push(blobs, root, reference)
        return await registry.look(reference)

    glance = client(server.domain, push_and_look)
    assert glance.root.digest == root.digest
    assert glance.entries == children(blobs, root)


def test_a_single_manifest_shows_what_its_config_says(server, client, blobs, make_image):
    root = make_image(blobs)
    single = children(blobs, root)[0]
    reference = server.reference("me/app:single")

    async def push_and_look(registry):
        await registry.push(blobs, single, reference)
        return await registry.look(reference)

    (entry,) = client(server.domain, push_and_look).entries
    assert entry.digest == single.digest
    assert isinstance(entry.platform, Platform)
    assert entry.platform == single.platform


def test_what_is_not_there_is_not_found(server, client):
    with pytest.raises(NotFoundError):
        client(server.domain, lambda registry: registry.look(server.reference("me/none:1")))


def test_a_config_that_is_another_is_refused(run_scripted, answer, client, blobs, make_image):
    """The manifest is as it should be; what is sent as its config is not what it names."""
    single = children(blobs, make_image(blobs))[0]
    manifest = blobs.read(single.digest)

    def respond(request):
        if "/manifests/" in request.target:
            return answer(200, manifest, Content_Type=single.media_type)
        return answer(200, json.dumps({"os": "linux", "architecture": "amd64"}).encode())

    with run_scripted(respond) as (domain, _), pytest.raises(RegistryError, match="something else"):
        client(domain, lambda registry: registry.look(Reference.parse(f"{domain}/a:1")))


def test_greeting(server, client):
    client(server.domain, lambda registry: registry.greet())


@pytest.mark.parametrize(
    ("status", "error"), [(401, RegistryAuthError), (404, NotFoundError), (418, RegistryError)]
)
def test_greeting_something_else(run_scripted, answer, client, status, error):
    with run_scripted(lambda _: answer(status, b"no")) as (domain, _), pytest.raises(error):
        client(domain, lambda registry: registry.greet())


def test_greeting_nobody(client, free_port):
    with pytest.raises(RegistryUnreachableError):
        client(f"127.0.0.1:{free_port}", lambda registry: registry.greet())


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
