"""Logins as docker and podman leave them."""

import asyncio
import base64
import json

import pytest

from amphora.core.errors import MissingToolError, RegistryAuthError
from amphora.registry.credentials import Credential, find_credential


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".docker").mkdir()
    return tmp_path


@pytest.fixture
def find(home):
    def run(domain: str, **environment: str) -> Credential | None:
        runtime = {"XDG_RUNTIME_DIR": str(home / "run")}
        variables = {"HOME": str(home), "PATH": str(home), **runtime, **environment}
        return asyncio.run(find_credential(domain, variables))

    return run


def write(path, **fields) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields))


def encoded(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


def write_helper(home, name: str, script: str) -> None:
    path = home / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_no_file_means_nobody(find):
    assert find("host:5000") is None


@pytest.mark.parametrize(
    "login",
    [encoded("ann:a:b\0\0"), {"username": "ann", "password": "a:b"}],
)
@pytest.mark.parametrize("key", ["host:5000", "https://host:5000", "http://host:5000/v1/"])
def test_a_password_in_the_file(home, find, login, key):
    write(home / ".docker/config.json", auths={"other": encoded("x:y"), key: login})
    found = find("host:5000")
    assert (found.username, found.secret, found.is_identity_token) == ("ann", "a:b", False)
    assert found.basic == "Basic " + base64.b64encode(b"ann:a:b").decode()
    assert find("host") is None


def test_a_namespace_is_not_a_host(home, find):
    write(home / ".docker/config.json", auths={"host/team": encoded("ann:a")})
    assert find("host") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hub_has_many_names(home, find, key):
    write(home / ".docker/config.json", auths={key: encoded("ann:a")})
    assert find("docker.io").username == "ann"


def test_an_identity_token(home, find):
    write(home / ".docker/config.json", auths={"host": {"identitytoken": "t", **encoded("u:")}})
    found = find("host")
    assert (found.secret, found.is_identity_token) == ("t", True)


def test_no_secret_in_repr_and_str(home, find):
    write(home / ".docker/config.json", auths={"host": encoded("ann:hunter2")})
    found = find("host")
    assert "hunter2" not in repr(found) + str(found)
    assert str(found) == f"user 'ann' from {home}/.docker/config.json"


def test_files_are_asked_in_order(home, find):
    podman = home / "run/containers/auth.json"
    named = home / "named.json"
    docker = home / "docker/config.json"
    found = []
    for path, name in ((podman, "podman"), (named, "named"), (docker, "docker")):
        write(path, auths={"host": encoded(f"{name}:x")})
        variables = {"DOCKER_CONFIG": str(docker.parent), "REGISTRY_AUTH_FILE": str(named)}
        found.append(find("host", **variables).username)
    assert found == ["podman", "named", "docker"]


def test_a_helper_is_asked_on_stdin_and_without_a_shell(home, find):
    write_helper(
        home,
        "test",
        'read host; [ "$1" = get ] && echo "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"s\\"}"',
    )
    write(home / ".docker/config.json", credHelpers={"docker.io": "test", "host:1": "test"})
    assert find("docker.io").username == "https://index.docker.io/v1/"
    assert find("host:1").username == "host:1"
    assert find("other") is None
    assert "docker-credential-test" in find("host:1").source


def test_a_helper_that_knows_nothing_gives_way_to_the_file(home, find):
    write_helper(home, "test", "echo credentials not found in native keychain; exit 1")
    write(home / ".docker/config.json", credsStore="test", auths={"host": encoded("ann:a")})
    assert find("host").username == "ann"
    write(home / ".docker/config.json", credsStore="test", auths={"host": {}})
    assert find("host") is None


@pytest.mark.parametrize("script", ["echo s3cret; exit 3", 'echo \'{"Secret": "s3cret"\''])
def test_a_helper_that_fails_is_named_and_not_quoted(home, find, script):
    write_helper(home, "test", script)
    write(home / ".docker/config.json", credsStore="test")
    with pytest.raises(RegistryAuthError, match="docker-credential-test") as caught:
        find("host")
    assert "s3cret" not in f"{caught.value} {caught.value.next_command}"


@pytest.mark.parametrize("name", ["absent", "../../bin/sh", "/bin/sh"])
def test_a_helper_that_is_not_there_is_named(home, find, name):
    write(home / ".docker/config.json", credsStore=name)
    with pytest.raises(MissingToolError, match="not installed"):
        find("host")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"auths": {"host": {"auth": "s3cret!"}}}',
        '{"auths": {"host": {"auth": "czNjcmV0"}}}',
        '{"auths": {"host": {"auth": "/////w=="}}}',
        '{"auths": {"host": {"password": {"s3cret": 1}}}}',
    ],
)
def test_an_unreadable_file_is_named_and_not_quoted(home, find, text):
    path = home / ".docker/config.json"
    path.write_text(text)
    with pytest.raises(RegistryAuthError, match=str(path)) as caught:
        find("host")
    assert "s3cret" not in f"{caught.value} {caught.value.next_command}"
