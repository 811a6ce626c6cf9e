"""Docker's and containerd's own files: do they parse, and do they keep several platforms?

https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
https://docs.docker.com/engine/storage/containerd/
https://github.com/containerd/containerd/blob/main/docs/hosts.md
"""

import json
import shutil
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from amphora.core.errors import RegistryAuthError
from amphora.doctor.check import Check, failed, ok, problem, warning
from amphora.registry.credentials import read_logins
from amphora.registry.endpoint import is_loopback
from amphora.system.roots import find_in_root, glob_in_root, read_in_root

_SYSTEM_FILE = "etc/docker/daemon.json"
_CONTAINERD_FILES = ("etc/containerd/config.toml", "etc/containerd/certs.d/*/hosts.toml")
_STORE_SOURCE = "https://docs.docker.com/engine/storage/containerd/"
_TURN_ON = '"features": {"containerd-snapshotter": true}'


def check_docker(
    root: Path, home: Path, *, several: bool | None, plain: Collection[str]
) -> Iterator[Check]:
    """The daemon's file, the system's and the user's; files of the system are below `root`.

    `several`: does docker, asked, keep several platforms of an image; None if it did not
    answer. `plain` are the registries that we speak plain HTTP to.
    """
    files = [(root, _SYSTEM_FILE), (home, ".config/docker/daemon.json")]
    there = [(place, path) for place, path in files if find_in_root(place, path)]
    settings: dict[str, Any] = {}
    for place, path in there:
        name = str(place / path)
        content = read_in_root(place, path)
        if content is None:
            yield ok("docker", f"{name} is not ours to read")
            continue
        try:
            read = json.loads(content)
        except (ValueError, RecursionError) as error:
            yield problem("docker", f"{name} does not parse: {error}", _edit(place, name))
            continue
        if not isinstance(read, dict):
            yield problem("docker", f"{name} holds no JSON object", _edit(place, name))
            continue
        yield ok("docker", f"{name} parses")
        settings |= read
        yield from _plain_registries(read, name, plain)
    if there or several is not None:
        yield _several_platforms(settings, several)


def check_logins(environment: Mapping[str, str]) -> Iterator[Check]:
    """What `docker login` left: do the files parse, and are the helpers there they name?"""
    try:
        files = list(read_logins(environment))
    except RegistryAuthError as error:
        yield failed("logins", error)
        return
    for logins in files:
        for helper in logins.helpers:
            program = f"docker-credential-{helper}"
            if shutil.which(program, path=environment.get("PATH")) is None:
                seen = f"{logins.path} keeps logins with {program}, which is not in PATH"
                yield problem("logins", seen, _helper_command(helper, logins.path))
            else:
                yield ok("logins", f"{logins.path}: {program} is there")
        if not logins.helpers:
            yield ok("logins", f"{logins.path} parses")


def check_containerd(root: Path) -> Iterator[Check]:
    """Its file and those of its registries, as TOML."""
    for pattern in _CONTAINERD_FILES:
        for path in glob_in_root(root, pattern):
            name = str(root / path)
            content = read_in_root(root, path)
            if content is None:
                yield ok("containerd", f"{name} is not ours to read")
                continue
            try:
                tomllib.loads(content.decode())
            except ValueError as error:
                seen = f"{name} does not parse: {error}"
                yield problem("containerd", seen, _edit(root, name))
            else:
                yield ok("containerd", f"{name} parses")


def _several_platforms(settings: Mapping[str, Any], several: bool | None) -> Check:
    if several:
        return ok("docker", "asked, it says that it keeps several platforms of an image")
    features = settings.get("features")
    wanted = features.get("containerd-snapshotter") if isinstance(features, dict) else None
    if several is None and wanted:
        return ok("docker", "it is told to keep several platforms of an image; it does not answer")
    if wanted:
        seen = "it keeps one platform of an image until it is started again"
        return warning("docker", seen, "sudo systemctl restart docker", source=_STORE_SOURCE)
    if several is None and wanted is None:
        return ok("docker", "it does not answer; whether it keeps several platforms is not known")
    seen = "it keeps one platform of an image: `--load` of several fails"
    command = f"put {_TURN_ON} into /{_SYSTEM_FILE}, then: sudo systemctl restart docker"
    return warning("docker", seen, command, source=_STORE_SOURCE)


def _plain_registries(
    settings: Mapping[str, Any], name: str, plain: Collection[str]
) -> Iterator[Check]:
    """Registries to which docker speaks plain HTTP and we do not."""
    listed = settings.get("insecure-registries")
    hosts = [host for host in listed if isinstance(host, str)] if isinstance(listed, list) else []
    ours = [
        host for host in hosts if "/" not in host and host not in plain and not is_loopback(host)
    ]
    if ours:
        seen = f"{name} has it speak plain HTTP to {', '.join(ours)}; we speak HTTPS to it"
        command = f"export AMPHORA_INSECURE_REGISTRIES={','.join([*plain, *ours])}"
        yield warning("docker", seen, command)


def _edit(place: Path, name: str) -> str:
    """Nothing but a person can say what was meant."""
    return f"sudoedit {name}" if place == Path("/") else f"correct {name}"


def _helper_command(helper: str, path: Path) -> str:
    if helper in {"pass", "secretservice"}:
        return "sudo apt-get install golang-docker-credential-helpers"
    return f"remove {helper!r} (credsStore, credHelpers) from {path}, then: docker login"
