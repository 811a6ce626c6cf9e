"""From the flags of `amphora run` to a launch, and what it needs of other rooms."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from amphora.build.handoff import HandoffSource
from amphora.cli import launch_values as values
from amphora.cli.run_options import read_host, read_limit
from amphora.cli.transfer_progress import show_transfer
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.settings import Settings
from amphora.launch.image import Source, Variant
from amphora.launch.launch import Helpers
from amphora.launch.request import Allowances, Connections, LaunchRequest, Volume
from amphora.oci.graph import image_for, variants
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.store import Store
from amphora.runtime.spec import Bind, Memory
from amphora.system.cgroups import Group


def read_request(
    given: Mapping[str, Any], environment: Mapping[str, str], *, name: str
) -> LaunchRequest:
    """The flags as click gives them; raises InvalidValueError."""
    entrypoint = given["entrypoint"]
    return LaunchRequest(
        reference=given["reference"],
        name=values.read_name("--name", name),
        hostname=values.read_name("--hostname", given["hostname"] or name),
        platform=given["platform"],
        pull=given["pull"],
        command=given["arguments"],
        entrypoint=None if entrypoint is None else [entrypoint] if entrypoint else [],
        environment=values.read_environment(given["env_file"], given["env"], environment),
        working_directory=_read_directory(given["workdir"]),
        user=given["user"],
        mounts=list(_mounts(given)),
        connections=_connections(given),
        allowances=_allowances(given),
        interactive=given["interactive"],
        terminal=given["tty"],
        init=given["init"],
        handoff=given["handoff"] == "exact",
        background=given["detach"],
        temporary=given["rm"],
    )


def say(text: str) -> None:
    """One line that is worth knowing, to standard error."""
    click.echo(f"{click.style('note', bold=True)}: {text}", err=True)


def helpers(
    settings: Settings, store: Store, process: int, group: Group | None, begun: Callable[[], None]
) -> Helpers:
    """Images from registries, shown coming; words to standard error; handoff as in a build."""

    @asynccontextmanager
    async def handoff(
        variant: Variant, snapshots: Snapshots, work: Path, root: Path
    ) -> AsyncIterator[Sequence[Bind]]:
        layers = _native_layers(variant, store)
        if not layers:
            say("nothing is handed off: the image has no variant for this machine's CPU")
            yield ()
            return

        async def fetch(_packages: Mapping[str, str]) -> Sequence[Layer]:
            return layers

        source = HandoffSource(
            snapshots, layers, variant.layers, {}, work, fetch, any_revision=False
        )
        async with source.offered(root, variant.config.platform) as (_, binds):
            yield binds

    source = Source(tuple(settings.insecure_registries), show_transfer)
    return Helpers(source, say, handoff, process, group, begun)


def _native_layers(variant: Variant, store: Store) -> Sequence[Layer]:
    native = Platform.host()
    found = variants(store.blobs, variant.root).get(native)
    if found is None or not store.blobs.has(found.digest):
        return ()
    _, manifest, config = image_for(store.blobs, variant.root, native)
    return tuple(map(Layer, manifest.layers, config.diff_ids))


def _mounts(given: Mapping[str, Any]) -> "list[Bind | Memory | Volume]":
    volumes = map(values.read_volume, given["volume"])
    mounts: list[Bind | Memory | Volume] = [volume for volume in volumes if volume is not None]
    mounts += map(values.read_mount, given["mount"])
    mounts += map(values.read_tmpfs, given["tmpfs"])
    targets = [mount.target.rstrip("/") for mount in mounts]
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice is not None:
        raise InvalidValueError(
            f"two things cannot be mounted on {twice}",
            why="one would hide the other",
            next_command="leave one of them out",
        )
    return mounts


def _connections(given: Mapping[str, Any]) -> Connections:
    network = given["network"]
    ports = [values.read_port(text) for text in given["publish"]]
    if ports and network in {"host", "none"}:
        raise InvalidValueError(
            f"-p cannot be together with --network={network}",
            why="on the host's network ports are the host's anyway"
            if network == "host"
            else "there is nothing to lead to",
            next_command="leave one of them out",
        )
    return Connections(network, ports, dict(map(read_host, given["add_host"])))


def _allowances(given: Mapping[str, Any]) -> Allowances:
    shared = given["shm_size"]
    return Allowances(
        capabilities=values.read_capabilities(given["cap_add"], given["cap_drop"]),
        read_only=given["read_only"],
        limits=[read_limit(text) for text in given["ulimit"]],
        shared_memory=values.read_size("--shm-size", shared) if shared else None,
        together=values.read_together(given["memory"], given["cpus"], given["pids_limit"]),
    )


def _read_directory(text: str | None) -> str | None:
    if text is not None and not text.startswith("/"):
        raise values.wrong("--workdir", text, "it is not an absolute path", "-w /work")
    return text
