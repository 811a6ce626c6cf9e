"""The settings of this run: flags, environment and configuration file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amphora.core.errors import InvalidValueError
from amphora.core.settings import Settings


def read_settings(flags: Mapping[str, Any]) -> Settings:
    """`flags` are those given before the command; raises InvalidValueError."""
    return Settings.resolve(
        flags=flags, environment=os.environ, file=_configuration_file(), uid=os.getuid()
    )


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
