"""Reading tests: container-structure-test's files as they are, with `portTests` beside.

What such a file may say and is not done here is refused by name, never passed over.
https://github.com/GoogleContainerTools/container-structure-test#readme (schema 2.0.0)
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

from amphora.core.errors import InvalidValueError
from amphora.verify.suite import (
    CommandCheck,
    ContentCheck,
    Executor,
    Expected,
    FileCheck,
    MetadataCheck,
    Patterns,
    PortCheck,
    Suite,
)
from amphora.verify.yaml_text import Value, read_file, read_yaml

#: Where tests are looked for if none are named.
WELL_KNOWN = "amphora-test.yaml"
_SUFFIXES = (".yaml", ".yml", ".json")

_VERSION = "2.0.0"
_NOT_DONE = {
    "licenseTests": "licenses are not looked at",
    "privileged": "containers are confined here as docker confines them",
    "allocateTty": "commands have no terminal here",
    "envFile": "variables are written in the file itself",
    "envVars": "nothing of this machine's environment gets into a container",
    "capabilities": "containers are confined here as docker confines them",
    "bindMounts": "nothing of this machine is shown to a container",
}
_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp))?")

T = TypeVar("T")


def find_suites(path: Path | None) -> tuple[Suite, ...]:
    """The tests of a file, or of each file in a directory; if none is named, of the well-known one.

    Raises InvalidValueError, naming the line, and for what cannot be read.
    """
    if path is None:
        path = Path(WELL_KNOWN)
        if not _is_file(path):
            return ()
    files = [path]
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    if not files:
        raise InvalidValueError(
            f"there are no tests in {path}",
            why="it has no file with a name that ends with .yaml, .yml or .json",
            next_command="name a directory with tests, or a file",
        )
    return tuple(parse_suite(read_file(each), str(each)) for each in files)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # In a directory that is not ours.
        return False


def parse_suite(text: str, source: str) -> Suite:
    """Read the tests of one file, called `source`; raises InvalidValueError, naming the line."""
    document = read_yaml(text, source)
    sections = {
        *("schemaVersion", "globalEnvVars", "containerRunOptions", "commandTests"),
        *("fileExistenceTests", "fileContentTests", "metadataTest", "portTests", "licenseTests"),
    }
    found = document.mapping(sections)
    version = found.get("schemaVersion")
    if version is None or version.text() != _VERSION:
        where = version or document
        raise where.wrong("the version of the schema is needed", f'schemaVersion: "{_VERSION}"')
    _refuse(found)
    metadata = found.get("metadataTest")
    return Suite(
        source=source,
        environment=_variables(found.get("globalEnvVars")),
        user=_user(found.get("containerRunOptions")),
        commands=_each(found.get("commandTests"), _command),
        files=_each(found.get("fileExistenceTests"), _file),
        contents=_each(found.get("fileContentTests"), _content),
        metadata=_metadata(metadata) if metadata else None,
        ports=_each(found.get("portTests"), _ports),
    )


def _refuse(found: dict[str, Value]) -> None:
    for key, value in found.items():
        if key in _NOT_DONE:
            raise value.wrong(f"{key} is not done here: {_NOT_DONE[key]}", f"remove {key}")


def _each(value: Value | None, read: Callable[[Value], T]) -> tuple[T, ...]:
    return tuple(map(read, value.items())) if value else ()


def _user(options: Value | None) -> str | None:
    if options is None:
        return None
    found = options.mapping({"user", *(_NOT_DONE.keys() - {"licenseTests"})})
    _refuse(found)
    return found["user"].text() if "user" in found else None


def _command(value: Value) -> CommandCheck:
    found = value.mapping(
        {
            *("name", "command", "args", "setup", "teardown", "envVars", "exitCode"),
            *("expectedOutput", "excludedOutput", "expectedError", "excludedError"),
        }
    )
    return CommandCheck(
        name=_needed(value, found, "name"),
        command=(_needed(value, found, "command"), *_texts(found.get("args"))),
        setup=_each(found.get("setup"), _command_line),
        teardown=_each(found.get("teardown"), _command_line),
        environment=_variables(found.get("envVars")),
        status=found["exitCode"].number() if "exitCode" in found else 0,
        output=_patterns(found, "expectedOutput", "excludedOutput"),
        errors=_patterns(found, "expectedError", "excludedError"),
    )


def _file(value: Value) -> FileCheck:
    found = value.mapping(
        {"name", "path", "shouldExist", "permissions", "uid", "gid", "isExecutableBy"}
    )
    executor = found.get("isExecutableBy")
    if executor and executor.text() not in get_args(Executor):
        raise executor.wrong("it is owner, group, other or any", "isExecutableBy: any")
    return FileCheck(
        name=_needed(value, found, "name"),
        path=_needed(value, found, "path"),
        should_exist=found["shouldExist"].truth() if "shouldExist" in found else True,
        permissions=found["permissions"].text() if "permissions" in found else None,
        uid=found["uid"].number() if "uid" in found else None,
        gid=found["gid"].number() if "gid" in found else None,
        executable_by=executor.text() if executor else None,  # type: ignore[arg-type]
    )


def _content(value: Value) -> ContentCheck:
    found = value.mapping({"name", "path", "expectedContents", "excludedContents"})
    return ContentCheck(
        name=_needed(value, found, "name"),
        path=_needed(value, found, "path"),
        content=_patterns(found, "expectedContents", "excludedContents"),
    )


def _metadata(value: Value) -> MetadataCheck:
    found = value.mapping(
        {
            *("envVars", "env", "unboundEnvVars", "labels", "entrypoint", "cmd", "exposedPorts"),
            *("unexposedPorts", "volumes", "unmountedVolumes", "workdir", "user"),
        }
    )
    return MetadataCheck(
        environment=(
            *_each(found.get("env"), _expected),
            *_each(found.get("envVars"), _expected),
        ),
        unset=_each(found.get("unboundEnvVars"), _key),
        labels=_each(found.get("labels"), _expected),
        entrypoint=found["entrypoint"].texts() if "entrypoint" in found else None,
        cmd=found["cmd"].texts() if "cmd" in found else None,
        ports=_texts(found.get("exposedPorts")),
        other_ports=_texts(found.get("unexposedPorts")),
        volumes=_texts(found.get("volumes")),
        other_volumes=_texts(found.get("unmountedVolumes")),
        working_directory=found["workdir"].text() if "workdir" in found else None,
        user=found["user"].text() if "user" in found else None,
    )


def _ports(value: Value) -> PortCheck:
    found = value.mapping({"name", "ports", "command", "args", "envVars"})
    if "ports" not in found or not found["ports"].items():
        raise value.wrong("it names no ports", 'ports: ["8080", "53/udp"]')
    if "args" in found and "command" not in found:
        raise found["args"].wrong("these are arguments of no command", "write command: as well")
    command = (found["command"].text(), *_texts(found.get("args"))) if "command" in found else ()
    return PortCheck(
        name=_needed(value, found, "name"),
        ports=_each(found["ports"], _port),
        command=command,
        environment=_variables(found.get("envVars")),
    )


def _port(value: Value) -> str:
    match = _PORT.fullmatch(value.text())
    if match is None or not 0 < int(match[1]) < 1 << 16:
        raise value.wrong(f"{value.text()[:60]!r} is no port", 'write it as "8080" or "53/udp"')
    return f"{int(match[1])}/{match[2] or 'tcp'}"


def _texts(value: Value | None) -> tuple[str, ...]:
    return value.texts() if value else ()


def _needed(value: Value, found: dict[str, Value], key: str) -> str:
    if key not in found or not found[key].text():
        raise value.wrong(f"it has no {key}", f"write {key}: as well")
    return found[key].text()


def _command_line(value: Value) -> tuple[str, ...]:
    words = value.texts()
    if not words:
        raise value.wrong("it is a command without a word", "remove it")
    return words


def _variables(value: Value | None) -> dict[str, str]:
    found = _each(value, lambda item: item.mapping({"key", "value"}))
    items = value.items() if value else ()
    return {
        _needed(item, each, "key"): each["value"].text() if "value" in each else ""
        for item, each in zip(items, found, strict=True)
    }


def _key(value: Value) -> str:
    return _needed(value, value.mapping({"key"}), "key")


def _expected(value: Value) -> Expected:
    found = value.mapping({"key", "value", "isRegex"})
    key = _needed(value, found, "key")
    if "value" not in found:
        return Expected(key, "")
    is_regex = "isRegex" in found and found["isRegex"].truth()
    return Expected(key, _pattern(found["value"]) if is_regex else found["value"].text())


def _patterns(found: dict[str, Value], expected: str, excluded: str) -> Patterns:
    return Patterns(_each(found.get(expected), _pattern), _each(found.get(excluded), _pattern))


def _pattern(value: Value) -> re.Pattern[str]:
    try:
        return re.compile(value.text())
    except (re.error, RecursionError, OverflowError) as error:
        raise value.wrong(
            f"as a regular expression it is wrong: {error}",
            "put a backslash before characters that are meant as they are",
        ) from error
