"""The settings of this run: flags, environment, configuration file, and the chosen builder."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amphora.core.errors import AmphoraError, InvalidValueError
from amphora.core.settings import DEFAULT_BUILDER, Settings, read_builder_name

if TYPE_CHECKING:
    from amphora.builders.builder import Builder


def read_settings(flags: Mapping[str, Any]) -> Settings:
    """`flags` are those given before the command; raises InvalidValueError."""
    return Settings.resolve(
        flags=flags, environment=os.environ, file=_configuration_file(), uid=os.getuid()
    )


def chosen_name(settings: Settings) -> str:
    """The builder that is worked with: one that is named, or else the one in use.

    docker's BUILDX_BUILDER counts if there is one of ours of that name: it is set for docker.
    Raises BuilderError if it is not known which is in use.
    """
    if settings.builder:
        return settings.builder
    directory = Path(settings.builder_directory)
    if not directory.is_dir():
        return DEFAULT_BUILDER
    from amphora.builders.in_use import name_in_use

    docker = os.environ.get("BUILDX_BUILDER", "")
    try:
        if (directory / read_builder_name(docker)).is_dir():
            return docker
    except ValueError:
        pass
    return name_in_use(directory)


def find_builder(settings: Settings, name: str) -> "Builder":
    """The one of this name; raises BuilderError."""
    from amphora.builders.builder import Builder
    from amphora.builders.directory import Builders

    if name == DEFAULT_BUILDER:
        return Builder(name, Path(settings.store))
    return Builders(Path(settings.builder_directory)).find(name)


def at_builder(settings: Settings) -> Settings:
    """The settings with the name, the store and the jobs of the chosen builder.

    Raises BuilderError if it is not there.
    """
    name = chosen_name(settings)
    if name == DEFAULT_BUILDER:
        return replace(settings, builder=name)
    try:
        builder = find_builder(settings, name)
    except AmphoraError as error:
        if not settings.builder:
            error.next_command = "amphora builder use default"
        raise
    jobs = min(settings.jobs or builder.jobs, builder.jobs) if builder.jobs else settings.jobs
    return replace(settings, builder=name, store=builder.store, jobs=jobs)


def _configuration_file() -> Mapping[str, Any]:
    """The settings in `amphora/config.toml` of the XDG configuration directory, if it is there."""
    directory = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '/')}/.config"
    path = Path(directory, "amphora", "config.toml")
    try:
        text = path.read_text(encoding="utf-8")
        import tomllib  # most people have no such file

        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidValueError(
            f"cannot read the configuration file {path}",
            why=str(error),
            next_command="correct it, or remove it",
        ) from error
