"""What a bake file may do on this machine without being asked: only what is below this directory.

A bake file may come from somewhere else. https://docs.docker.com/build/bake/remote-definition/
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from posixpath import join, normpath

from msgspec import Struct

from amphora.bake.entries import paths_of
from amphora.bake.overrides import Override, Overrides, overridden
from amphora.bake.printing import is_local, local_path
from amphora.bake.resolve import Plan
from amphora.bake.target import Target
from amphora.core.errors import BakeError, InvalidValueError

#: What needs permission, but is no path.
_PLAIN = ("network.host", "security.insecure", "ssh")
#: Fields in which --set may name a path.
_WITH_PATHS = ("context", "contexts", "output", "cache-from", "cache-to", "secret", "ssh")
_LAYOUT = "oci-layout://"
_READ, _WRITE, _BOTH = "fs.read", "fs.write", "fs"

#: buildx' own switch; with 0 paths need no permission.
SWITCH = "BUILDX_BAKE_ENTITLEMENTS_FS"


class Permissions(Struct, frozen=True):
    """What `--allow` grants, and what --set names: who types it, wants it."""

    granted: frozenset[str]
    readable: Sequence[Path]
    writable: Sequence[Path]
    checks_paths: bool = True

    @classmethod
    def of(
        cls, allowed: Sequence[str], environment: Mapping[str, str], here: Path
    ) -> "Permissions":
        """Raises InvalidValueError for what cannot be granted."""
        granted, readable, writable = set(), [here], [here]
        for text in allowed:
            kind, equals, path = text.partition("=")
            if text in _PLAIN:
                granted.add(text)
            elif kind in {_READ, _WRITE, _BOTH} and equals and path:
                readable += [Path(path)] if kind in {_READ, _BOTH} else []
                writable += [Path(path)] if kind in {_WRITE, _BOTH} else []
            else:
                raise InvalidValueError(
                    f"--allow cannot be {text[:60]!r}",
                    why=f"it is {', '.join(_PLAIN)}, fs=PATH, fs.read=PATH or fs.write=PATH",
                    next_command=f"for example --allow {_READ}=..",
                )
        checks = environment.get(SWITCH, "1").lower() not in {"0", "false", "f"}
        return cls(frozenset(granted), _real(readable), _real(writable), checks)

    def check(self, plan: Plan, overrides: Overrides) -> None:
        """Raises BakeError naming every --allow that is missing.

        The paths of `overrides` are permitted: the user named them.
        """
        missing: dict[str, str] = {}
        trusted = [path for each in overrides.values() for path in _named(each)]
        for target in plan.targets.values():
            for kind in target.texts("entitlements"):
                if kind in _PLAIN and kind not in self.granted:
                    missing[f"--allow {kind}"] = f"{target.name} needs {kind}"
            agents = [each for each in target.entries("ssh") if not paths_of(each)]
            if agents and "ssh" not in self.granted:
                missing["--allow ssh"] = f"{target.name} uses the SSH agent"
            missing |= self._paths(target, trusted)
        if missing:
            raise BakeError(
                "the bake file asks for more than is permitted",
                why="; ".join(missing.values()),
                next_command=f"amphora bake {' '.join(missing)} …",
            )

    def _paths(self, target: Target, trusted: Sequence[str]) -> dict[str, str]:
        if not self.checks_paths:
            return {}
        found: dict[str, str] = {}
        known = _real(map(Path, trusted))
        for path, kind, word in (
            *((path, _READ, "reads") for path in _read(target)),
            *((path, _WRITE, "writes") for path in _written(target)),
        ):
            real = Path(os.path.realpath(path))
            roots = self.readable if kind == _READ else self.writable
            if not any(real.is_relative_to(root) for root in (*roots, *known)):
                found[f"--allow {kind}={path}"] = f"{target.name} {word} {path}"
        return found


def _named(overrides: Sequence[Override]) -> Iterator[str]:
    """Paths that --set names."""
    said = overridden(Target(""), [each for each in overrides if each.field in _WITH_PATHS])
    yield from _written(said)
    yield from _read(said)


def _real(paths: "Iterator[Path] | Sequence[Path] | map[Path]") -> list[Path]:
    return [Path(os.path.realpath(path)) for path in paths]


def _read(target: Target) -> Iterator[str]:
    """Paths that a target reads."""
    dockerfile = dockerfile_path(target)
    if dockerfile and not target.text("dockerfile-inline"):
        yield dockerfile
    for location in (target.text("context"), *target.pairs("contexts").values()):
        if is_local(location):
            yield local_path(location)
        elif location.startswith(_LAYOUT):
            yield re.split("[:@]", location.removeprefix(_LAYOUT))[0]
    for entry in target.entries("cache-from"):
        if entry["type"] == "local" and "src" in entry:
            yield str(entry["src"])
    for secret in target.entries("secret"):
        if "src" in secret:
            yield str(secret["src"])
    for agent in target.entries("ssh"):
        yield from paths_of(agent)


def dockerfile_path(target: Target) -> str:
    """Where the Dockerfile is on this machine; empty if it is in a context that is not."""
    context, name = target.text("context"), target.text("dockerfile")
    if name.startswith("cwd://"):
        return local_path(name)
    return normpath(join(local_path(context), name)) if is_local(context) else ""


def _written(target: Target) -> Iterator[str]:
    """Paths that a target writes."""
    for entry in (*target.entries("output"), *target.entries("cache-to")):
        path = str(entry.get("dest", ""))
        if path and path != "-":
            yield path
