"""The settings table: one row makes a flag, an environment variable, a file key and its docs.

Values come, first found wins, from the flag, the environment (`AMPHORA_…`), the
configuration file and the default. A builder has a store of its own, so a store that is named
more closely than a builder means the default one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from amphora.core.errors import InvalidValueError

#: The builder that is always there: the ordinary store, no limits.
DEFAULT_BUILDER = "default"

_BUILDER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: `key` names the file key and, in capitals after AMPHORA_, the variable."""

    key: str
    help: str
    metavar: str
    read: Callable[[str], Any]
    default: Callable[[Mapping[str, str], int], Any]
    default_text: str

    @property
    def variable(self) -> str:
        return f"AMPHORA_{self.key.upper()}"

    @property
    def flag(self) -> str:
        return f"--{self.key.replace('_', '-')}"


def _data_directory(environment: Mapping[str, str], uid: int) -> PurePath:
    """Where a user's data lives: /var/lib for root, the XDG data directory for others.

    A relative XDG_DATA_HOME is ignored, as its specification asks:
    https://specifications.freedesktop.org/basedir/0.8/
    """
    if uid == 0:
        return PurePath("/var/lib/amphora")
    default = PurePath(environment.get("HOME") or "/", ".local/share")
    directory = PurePath(environment.get("XDG_DATA_HOME", ""))
    return (directory if directory.is_absolute() else default) / "amphora"


def _read_path(text: str) -> PurePath:
    path = PurePath(text)
    if not path.is_absolute():
        raise ValueError("it must be an absolute path")
    return path


def _read_count(text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise ValueError("it must be a whole number, at least 1")
    return int(text)


def read_builder_name(text: str) -> str:
    """A name that a directory may have; raises ValueError saying what is wrong with it."""
    if not _BUILDER.fullmatch(text):
        raise ValueError("it has letters, digits and _.-, 63 at most, and no other first")
    return text


def _read_words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


TABLE: tuple[Setting, ...] = (
    Setting(
        key="store",
        help="Directory of images, layers and the build cache.",
        metavar="DIRECTORY",
        read=_read_path,
        default=lambda environment, uid: _data_directory(environment, uid) / "store",
        default_text="/var/lib/amphora/store for root, else ~/.local/share/amphora/store",
    ),
    Setting(
        key="builder",
        help="The builder to work with: its store, platforms and limits.",
        metavar="NAME",
        read=read_builder_name,
        default=lambda _environment, _uid: "",
        default_text="the one that `amphora builder use` chose",
    ),
    Setting(
        key="builder_directory",
        help="Directory of the builders that `amphora builder create` makes.",
        metavar="DIRECTORY",
        read=_read_path,
        default=lambda environment, uid: _data_directory(environment, uid) / "builders",
        default_text="/var/lib/amphora/builders, or ~/.local/share/amphora/builders",
    ),
    Setting(
        key="registry_store",
        help="Directory of the images that `amphora registry serve` keeps.",
        metavar="DIRECTORY",
        read=_read_path,
        default=lambda environment, uid: _data_directory(environment, uid) / "registry",
        default_text="/var/lib/amphora/registry, or ~/.local/share/amphora/registry",
    ),
    Setting(
        key="jobs",
        help="How many steps may run at the same time.",
        metavar="N",
        read=_read_count,
        default=lambda _environment, _uid: 0,
        default_text="the number of CPUs",
    ),
    Setting(
        key="mirror",
        help="Debian mirror that base images are made from.",
        metavar="URL",
        read=str,
        default=lambda _environment, _uid: "",
        default_text="the one mmdebstrap knows",
    ),
    Setting(
        key="insecure_registries",
        help="Registries (HOST:PORT, comma-separated) to speak plain HTTP to, as to loopback.",
        metavar="HOSTS",
        read=_read_words,
        default=lambda _environment, _uid: (),
        default_text="none",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The resolved values, one field a row of TABLE.

    `builder` is empty where nothing names one.
    """

    store: PurePath
    builder: str
    builder_directory: PurePath
    registry_store: PurePath
    jobs: int
    mirror: str
    insecure_registries: Sequence[str]

    @classmethod
    def resolve(
        cls,
        *,
        flags: Mapping[str, str | None],
        environment: Mapping[str, str],
        file: Mapping[str, Any],
        uid: int,
    ) -> "Settings":
        """Combine the sources.

        Raises InvalidValueError for a bad value, an unknown file key, and for a store and a
        builder that are both named in the same place.
        """
        unknown = sorted(set(file) - {setting.key for setting in TABLE})
        if unknown:
            raise InvalidValueError(
                f"the configuration file has an unknown key {unknown[0]!r}",
                why="keys are " + ", ".join(setting.key for setting in TABLE),
                next_command="correct the key; `amphora --help` lists the settings",
            )
        values = {row.key: _value(row, flags, environment, file, uid) for row in TABLE}
        if _means_store(flags, environment):
            values["builder"] = DEFAULT_BUILDER
        return cls(**values)


def _means_store(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> bool:
    """Is a store named, and no builder more closely? Raises InvalidValueError."""
    places = (
        ("--store", flags.get("store"), "--builder", flags.get("builder")),
        (
            "AMPHORA_STORE",
            environment.get("AMPHORA_STORE"),
            "AMPHORA_BUILDER",
            environment.get("AMPHORA_BUILDER"),
        ),
    )
    for store_name, store, builder_name, builder in places:
        if store and builder:
            raise InvalidValueError(
                f"{store_name} and {builder_name} cannot both be given",
                why="a builder has a store of its own",
                next_command=f"leave out {store_name}, or {builder_name}",
            )
        if store or builder:
            return bool(store)
    return False


def _value(
    setting: Setting,
    flags: Mapping[str, str | None],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
    uid: int,
) -> Any:
    sources = (
        (setting.flag, flags.get(setting.key)),
        (setting.variable, environment.get(setting.variable) or None),
        (f"the configuration file's {setting.key!r}", _as_text(file.get(setting.key))),
    )
    for source, text in sources:
        if text is not None:
            return _read(setting, source, text)
    return setting.default(environment, uid)


def _as_text(value: Any) -> str | None:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return None if value is None else str(value)


def _read(setting: Setting, source: str, text: str) -> Any:
    try:
        return setting.read(text)
    except ValueError as error:
        raise InvalidValueError(
            f"{source} cannot be {text!r}",
            why=str(error),
            next_command=f"give it as {setting.metavar}; default: {setting.default_text}",
        ) from error
