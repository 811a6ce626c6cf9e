"""Services as targets.

https://docs.docker.com/reference/compose-file/build/
"""

import re
from collections.abc import Mapping, Sequence
from posixpath import normpath
from typing import Any

from amphora.bake.compose.interpolation import Lookup
from amphora.bake.compose.model import read_compose
from amphora.bake.entries import attestation_of
from amphora.bake.files import File
from amphora.bake.hcl.values import Value, of_plain
from amphora.bake.target import FIELDS, Configuration, Group, Target
from amphora.core.errors import BakeError

_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[kmgt]?)(?:i?b)?", re.IGNORECASE)
_LETTERS = ("", "k", "m", "g", "t")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

#: The fields of `build` that a target calls otherwise or not, and what it makes of them.
_AS_THEY_ARE = {
    "context": "context",
    "dockerfile": "dockerfile",
    "dockerfile_inline": "dockerfile-inline",
    "args": "args",
    "labels": "labels",
    "tags": "tags",
    "cache_from": "cache-from",
    "cache_to": "cache-to",
    "target": "target",
    "platforms": "platforms",
    "pull": "pull",
    "no_cache": "no-cache",
    "network": "network",
}

#: The fields of `x-bake`; some of them add to what is there.
#: https://docs.docker.com/build/bake/compose-file/#extension-field-with-x-bake
_ADDED = ("tags", "cache-from", "cache-to", "secret", "ssh", "platforms", "output")
_EXTENSION = (*_ADDED, "pull", "no-cache", "no-cache-filter", "contexts")


def compose_configuration(files: Sequence[File], environment: Mapping[str, str]) -> Configuration:
    """The targets of all services that are built, `default` for all of them. Raises BakeError."""
    model = read_compose(files, environment)
    targets: dict[str, Target] = {}
    for name, service in model["services"].items():
        if "build" in service:
            target = _Service(name, service, model["secrets"], environment.get).target()
            targets[target.name] = target
    return Configuration(targets, {"default": Group("default", list(targets))} if targets else {})


class _Service:
    def __init__(
        self, name: str, service: Mapping[str, Any], secrets: Mapping[str, Any], lookup: Lookup
    ) -> None:
        self._name = name
        self._image = service.get("image")
        self._build: Mapping[str, Any] = service["build"]
        self._environment: Mapping[str, Any] = service.get("environment", {})
        self._secrets = secrets
        self._lookup = lookup

    def target(self) -> Target:
        build = self._build
        given: dict[str, Any] = {
            field: build[name]
            for name, field in _AS_THEY_ARE.items()
            if build.get(name) is not None
        }
        given |= {
            "args": self._arguments(given.get("args") or {}),
            "contexts": self._contexts(build.get("additional_contexts") or {}),
            "secret": [self._secret(item) for item in build.get("secrets") or ()],
            "ssh": _agents(build.get("ssh") or ()),
            "attest": self._attestations(),
            "extra-hosts": {
                name: ",".join(item) if isinstance(item, list) else item
                for name, item in (build.get("extra_hosts") or {}).items()
            },
            "ulimits": [_limit(*item) for item in (build.get("ulimits") or {}).items()],
        }
        for field in ("pull", "no-cache", "network"):
            if not given.get(field):
                given.pop(field, None)
        if "context" in given and "://" not in str(given["context"]):
            given["context"] = normpath(str(given["context"]))
        if build.get("shm_size"):
            given["shm-size"] = _size(build["shm_size"])
        fields = {
            name: self._read(name, value) for name, value in given.items() if value not in ([], {})
        }
        target = Target(self._name.replace(".", "_"), fields)
        extended = self._extended(target, build.get("x-bake") or {})
        if not extended.texts("tags") and self._image:
            return extended.with_field("tags", self._read("tags", [self._image]))
        return extended

    def _read(self, field: str, value: Any) -> Any:
        try:
            return FIELDS[field].read(of_plain(value))
        except ValueError as error:
            raise BakeError(
                f"services.{self._name}.build is wrong",
                why=f"{field}: {error}",
                next_command="correct it",
            ) from error

    def _arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """An argument without a value has that of the environment, or is not there."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            resolved = value
            if value is None:
                resolved = self._environment.get(name)
            if resolved is None:
                resolved = self._lookup(name)
            if resolved is not None:
                found[name] = resolved
        return found

    def _contexts(self, given: Mapping[str, Any]) -> dict[str, str]:
        """`service:NAME` is the target of that service."""
        found: dict[str, str] = {}
        for name, location in given.items():
            kind, colon, rest = str(location).partition(":")
            is_target = colon and kind in {"service", "target"}
            if is_target:
                found[name] = f"target:{rest.replace('.', '_')}"
            else:
                found[name] = str(location) if colon else normpath(str(location))
        return found

    def _secret(self, item: Any) -> dict[str, str]:
        name = str(item if isinstance(item, str) else item.get("source"))
        defined = self._secrets.get(name) or {}
        if defined.get("external"):
            raise BakeError(
                f"the secret {name!r} cannot be had",
                why="it is external: another program keeps it",
                next_command="give it a file or an environment in the compose file",
            )
        found = {"id": name}
        if defined.get("file"):
            found["src"] = normpath(str(defined["file"]))
        if defined.get("environment"):
            found["env"] = str(defined["environment"])
        return found

    def _attestations(self) -> list[str]:
        return [
            attestation_of(kind, str(self._build[kind]).lower() if value is True else str(value))
            for kind in ("sbom", "provenance")
            if (value := self._build.get(kind)) not in (None, "")
        ]

    def _extended(self, target: Target, given: Mapping[str, Any]) -> Target:
        """With `x-bake`: what compose has no fields for, or more of what it has."""
        fields = dict(target.fields)
        for name, value in given.items():
            if name not in _EXTENSION:
                raise BakeError(
                    f"services.{self._name}.build.x-bake has no {name!r}",
                    why=f"it has {', '.join(_EXTENSION)}",
                    next_command="remove it",
                )
            several = name in (*_ADDED, "no-cache-filter") and isinstance(value, str)
            read = self._read(name, value.split() if several else value)
            before = fields.get(name)
            if before and isinstance(read, list):
                fields[name] = [*before, *(item for item in read if item not in before)]
            elif before and isinstance(read, dict):
                fields[name] = {**self._contexts(read), **before}
            else:
                fields[name] = self._contexts(read) if name == "contexts" else read
        return Target(target.name, fields)


def _agents(given: Any) -> list[Value]:
    """`default`, `ID=PATH`, or a mapping of both; sorted, as buildx does it."""
    items = (
        given.items() if isinstance(given, dict) else (str(item).split("=", 1) for item in given)
    )
    pairs = [(str(name), str(rest[0]) if rest and rest[0] else "") for name, *rest in items]
    return [f"{name}={path}" if path else name for name, path in sorted(pairs)]


def _limit(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{name}={value.get('soft')}:{value.get('hard')}"
    return f"{name}={value}:{value}"


def _size(value: Any) -> str:
    """A number of bytes with the unit that makes it short, as docker writes it."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise BakeError(
            f"shm_size cannot be {str(value)[:40]!r}",
            why="it is a number of bytes, or one with a unit",
            next_command="as in shm_size: 128mb",
        )
    size = float(match["number"]) * 1024 ** _LETTERS.index(match["unit"].lower())
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.4g}{_UNITS[unit]}"
