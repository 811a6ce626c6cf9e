"""Compose files as they are written: YAML, variables, several files merged.

https://docs.docker.com/reference/compose-file/
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from amphora.bake.compose.including import added, read_include, relocated
from amphora.bake.compose.interpolation import Lookup, interpolate
from amphora.bake.compose.words import parse_yaml, wrong
from amphora.bake.files import File
from amphora.bake.hcl.source import DEEPEST, Source, Span
from amphora.core.errors import BakeError

#: As many as no file of people has; aliases of aliases have more.
_MOST_NODES = 100_000

#: What of a service says how it is built.
_KEPT = ("image", "build", "environment", "extends")

#: Lists that are also written as objects.
_MAPPINGS = ("args", "labels", "additional_contexts", "extra_hosts")


#: Files that include each other; people stop after two or three.
_DEEPEST_INCLUDE = 16


def read_compose(files: Sequence[File], environment: Mapping[str, str]) -> dict[str, Any]:
    """`services` and `secrets` of all files, a later one over an earlier, and of what they include.

    Raises BakeError.
    """
    found = _project(files, environment, "", 0)
    services = found["services"]
    return {**found, "services": {name: _extended(name, services, ()) for name in services}}


def _project(
    files: Sequence[File], environment: Mapping[str, str], directory: str, depth: int
) -> dict[str, Any]:
    """The same of files whose paths are relative to a directory; with `extends` in services."""
    merged: dict[str, Any] = {"services": {}, "secrets": {}}
    included: list[tuple[File, Any]] = []
    for file in files:
        document = _Reader(file, environment.get).read()
        included.append((file, document.pop("include")))
        merged = _merged(merged, document)
    merged = relocated(merged, directory) if directory else merged
    for file, given in included:
        if given and depth == _DEEPEST_INCLUDE:
            raise wrong(file, "include", "files include each other without an end")
        for each in read_include(given, file, environment):
            model = _project(each.files, each.environment, each.directory, depth + 1)
            merged = added(merged, model, file)
    return merged


class _Reader:
    """Reads one file; counts what it finds, as aliases can make much of little."""

    def __init__(self, file: File, lookup: Lookup) -> None:
        self._file = file
        self._lookup = lookup
        self._nodes = 0

    def read(self) -> dict[str, Any]:
        document = self._parse()
        if not isinstance(document, dict):
            raise self.wrong("the file", "it is no mapping with services in it")
        services = self._mapping(document.get("services") or {}, "services")
        return {
            "services": {
                str(name): self._service(str(name), each) for name, each in services.items()
            },
            "secrets": self.interpolated(document.get("secrets") or {}, "secrets"),
            "include": self.interpolated(document.get("include") or [], "include"),
        }

    def wrong(self, place: str, why: str) -> BakeError:
        return wrong(self._file, place, why)

    def _parse(self) -> Any:
        source = Source(self._file.name, self._file.text)
        try:
            return parse_yaml(self._file.text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            offset = mark.index if mark is not None else 0
            raise Span(source, offset, offset + 1).error(
                "this is no YAML", why=error.problem or str(error), fix="correct what is marked"
            ) from error
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise self.wrong("the file", str(error).splitlines()[0]) from error

    def _service(self, name: str, service: Any) -> dict[str, Any]:
        place = f"services.{name}"
        given = self._mapping(service or {}, place)
        kept = {key: given[key] for key in _KEPT if given.get(key) is not None}
        found: dict[str, Any] = self.interpolated(kept, place)
        if isinstance(found.get("build"), str):
            found["build"] = {"context": found["build"]}
        if "build" in found:
            build = self._mapping(found["build"], f"{place}.build")
            for key in _MAPPINGS:
                if key in build:
                    build[key] = self._pairs(build[key], f"{place}.build.{key}")
        if "environment" in found:
            found["environment"] = self._pairs(found["environment"], f"{place}.environment")
        return found

    def _mapping(self, value: Any, place: str) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise self.wrong(place, "it is no mapping")
        return value

    def _pairs(self, value: Any, place: str) -> dict[str, Any]:
        """A mapping, or a list of NAME=VALUE, in which NAME alone has no value."""
        if isinstance(value, dict):
            return {str(name): item for name, item in value.items()}
        if not isinstance(value, list):
            raise self.wrong(place, "it is neither a mapping nor a list")
        pairs = [str(item).partition("=") for item in value]
        if place.endswith("extra_hosts"):
            pairs = [pair if pair[1] else pair[0].partition(":") for pair in pairs]
        return {name: text if equals else None for name, equals, text in pairs}

    def interpolated(self, value: Any, place: str, depth: int = 0) -> Any:
        """With the variables' values in all texts."""
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > DEEPEST:
            raise self.wrong(place, "its aliases make too much of it")
        if isinstance(value, str):
            try:
                return interpolate(value, self._lookup)
            except ValueError as error:
                raise self.wrong(place, str(error)) from error
        if isinstance(value, list):
            return [self.interpolated(item, place, depth + 1) for item in value]
        if isinstance(value, dict):
            return {
                str(key): self.interpolated(item, f"{place}.{key}", depth + 1)
                for key, item in value.items()
            }
        return value


def _merged(below: Any, above: Any) -> Any:
    """Mappings entry by entry, lists one after the other, anything else is replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {
            key: _merged(below[key], above[key]) if key in below and key in above else value
            for key, value in {**below, **above}.items()
        }
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *(item for item in above if item not in below)]
    return above


def _extended(name: str, services: Mapping[str, Any], above: Sequence[str]) -> dict[str, Any]:
    """A service with what it extends."""
    own = dict(services[name])
    extends = own.pop("extends", None)
    if extends is None:
        return own
    base = extends if isinstance(extends, str) else (extends or {}).get("service")
    elsewhere = isinstance(extends, dict) and "file" in extends
    if elsewhere or base not in services or base in (*above, name):
        raise BakeError(
            f"the service {name!r} cannot extend {base!r}",
            why="it is in another file" if elsewhere else "there is no such service before it",
            next_command="docker compose config | amphora bake -f -",
        )
    found: dict[str, Any] = _merged(_extended(str(base), services, (*above, name)), own)
    return found
