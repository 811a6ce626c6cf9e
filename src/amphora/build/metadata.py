"""The instructions that only change what a container starts with: pure functions."""

import posixpath
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from amphora.build.dockerfile import instructions as ast
from amphora.oci.config import ContainerConfig

DEFAULT_SHELL = ("/bin/sh", "-c")


def change_config(  # noqa: C901, PLR0911  one line a case
    config: ContainerConfig, instruction: ast.Instruction, *, own_command: bool
) -> ContainerConfig:
    """The config after an expanded instruction; the same one if it changes nothing here.

    `own_command` tells that this stage has had a CMD: one from the base image does
    not survive an ENTRYPOINT.
    """
    match instruction:
        case ast.Env(pairs=pairs):
            return replace(config, env=_with_environment(config, dict(pairs)))
        case ast.Label(pairs=pairs):
            return replace(config, labels={**(config.labels or {}), **dict(pairs)})
        case ast.User(user=user):
            return replace(config, user=user)
        case ast.Workdir(path=path):
            return replace(config, working_dir=join(config.working_dir, path))
        case ast.Expose(ports=ports):
            return replace(config, exposed_ports=_with_keys(config.exposed_ports, ports))
        case ast.Volume(paths=paths):
            return replace(config, volumes=_with_keys(config.volumes, paths))
        case ast.StopSignal(signal=signal):
            return replace(config, stop_signal=signal)
        case ast.Shell(shell=shell):
            return replace(config, shell=shell)
        case ast.Healthcheck(check=check):
            return replace(config, healthcheck=check)
        case ast.Cmd(command=command):
            return replace(config, cmd=command_line(config, command))
        case ast.Entrypoint(command=command):
            entrypoint = command_line(config, command)
            return replace(config, entrypoint=entrypoint, cmd=config.cmd if own_command else None)
        case ast.OnBuild(expression=expression):
            return replace(config, on_build=(*(config.on_build or ()), expression))
    return config


def command_line(config: ContainerConfig, command: ast.CommandLine) -> tuple[str, ...]:
    """The arguments of a command: as they are, or given to the shell."""
    if isinstance(command, tuple):
        return command
    return (*(config.shell or DEFAULT_SHELL), command)


def join(directory: str, path: str) -> str:
    """A path inside the image: absolute, or relative to the working directory; normalised."""
    joined = posixpath.normpath(posixpath.join(directory or "/", path))
    return "/" + joined.lstrip("/")


def _with_environment(config: ContainerConfig, changes: Mapping[str, str]) -> tuple[str, ...]:
    """ENV keeps its order; a variable that is set again keeps its place."""
    environment = dict(entry.partition("=")[::2] for entry in config.env or ())
    return tuple(f"{name}={value}" for name, value in {**environment, **changes}.items())


def _with_keys(
    existing: dict[str, dict[str, str]] | None, keys: Iterable[str]
) -> dict[str, dict[str, str]]:
    """A set, as JSON writes it in image configs."""
    return {**(existing or {}), **{key: {} for key in keys}}
