"""`include` of compose files: others, each a project of its own with its own directory.

https://docs.docker.com/reference/compose-file/include/
"""

from collections.abc import Mapping, Sequence
from posixpath import dirname, isabs, join, normpath
from typing import Any

from msgspec import Struct

from amphora.bake.compose.interpolation import read_environment
from amphora.bake.compose.words import wrong
from amphora.bake.files import File
from amphora.bake.printing import is_local

_ENVIRONMENT_FILE = ".env"

#: What the long form has.
_FIELDS = frozenset({"path", "project_directory", "env_file"})


class Included(Struct, frozen=True):
    """One entry of `include`: files that are merged, and what they are read with.

    `directory` is what the paths in them are relative to, as seen from where we are.
    """

    files: Sequence[File]
    directory: str
    environment: Mapping[str, str]


def read_include(given: Any, file: File, environment: Mapping[str, str]) -> list[Included]:
    """What the `include` of a file names; paths are relative to its directory.

    `environment` counts more than what the files bring. Raises BakeError.
    """
    if not isinstance(given, list):
        raise wrong(file, "include", "it is no list")
    return [_read(entry, file, environment) for entry in given]


def relocated(model: Mapping[str, Any], directory: str) -> dict[str, Any]:
    """The services and secrets of a project in another directory, with the paths from here."""
    services = {
        name: {**service, "build": _build(service, directory)} if "build" in service else service
        for name, service in model["services"].items()
    }
    secrets = {
        name: {**secret, "file": _placed(str(secret["file"]), directory)}
        if isinstance(secret, dict) and secret.get("file")
        else secret
        for name, secret in model["secrets"].items()
    }
    return {"services": services, "secrets": secrets}


def added(model: dict[str, Any], included: Mapping[str, Any], file: File) -> dict[str, Any]:
    """With what was included; raises BakeError for a name that both have for different things."""
    found = dict(model)
    for kind in ("services", "secrets"):
        for name, each in included[kind].items():
            if model[kind].get(name, each) != each:
                raise wrong(file, "include", f"{kind}.{name} is in an included file, too")
        found[kind] = {**included[kind], **model[kind]}
    return found


def _read(entry: Any, file: File, environment: Mapping[str, str]) -> Included:
    fields = {"path": entry} if isinstance(entry, str) else entry
    if not isinstance(fields, dict) or not fields.get("path") or not fields.keys() <= _FIELDS:
        raise wrong(file, "include", f"an entry is a path, or has {', '.join(sorted(_FIELDS))}")
    here = dirname(file.name)
    paths = [_placed(path, here) for path in _texts(fields["path"], file)]
    directory = dirname(paths[0])
    if fields.get("project_directory"):
        directory = _placed(str(fields["project_directory"]), here)
    named = [_placed(path, here) for path in _texts(fields.get("env_file") or [], file)]
    usual = file.beside(join(directory, _ENVIRONMENT_FILE)) if not named else None
    variables = _insisted(named, file) if named else [usual] if usual else []
    try:
        seen = read_environment("\n".join(each.text for each in variables), environment)
    except ValueError as error:
        raise wrong(file, "include", str(error)) from error
    return Included(_insisted(paths, file), directory, seen)


def _insisted(paths: Sequence[str], file: File) -> list[File]:
    found = [(path, file.beside(path)) for path in paths]
    for path, each in found:
        if each is None:
            raise wrong(file, "include", f"{path} is no file")
    return [each for _, each in found if each is not None]


def _texts(value: Any, file: File) -> list[str]:
    """One text or several."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise wrong(file, "include", "its paths are texts")
    for text in texts:
        if not is_local(text):
            raise wrong(file, "include", f"{text[:80]} is on another machine")
    return texts


def _build(service: Mapping[str, Any], directory: str) -> dict[str, Any]:
    build = dict(service["build"])
    # What is extended may say where the context is.
    if build.get("context") or "extends" not in service:
        build["context"] = _located(str(build.get("context") or "."), directory)
    if build.get("additional_contexts"):
        contexts = build["additional_contexts"].items()
        build["additional_contexts"] = {name: _located(str(it), directory) for name, it in contexts}
    return build


def _located(location: str, directory: str) -> str:
    """A directory of the project; locations of other kinds are the same from everywhere."""
    if ":" in location or not is_local(location):
        return location
    return _placed(location, directory)


def _placed(path: str, directory: str) -> str:
    return path if isabs(path) else normpath(join(directory, path))
