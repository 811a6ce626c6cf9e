"""Tests that need nothing to run: of an image's files and of its config.

Files are looked at in the mounted root of a variant, links followed inside it.
"""

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from os import stat_result
from pathlib import Path

from amphora.core.errors import VerificationError
from amphora.oci.config import ContainerConfig
from amphora.system.roots import read_in_root, resolve_in_root
from amphora.verify.entry import environment_of
from amphora.verify.patterns import found_in
from amphora.verify.suite import (
    Checked,
    ContentCheck,
    Executor,
    Expected,
    FileCheck,
    MetadataCheck,
    Patterns,
    Suite,
    TestKind,
)

#: No more of a file is searched, in bytes.
_LARGEST_CONTENT = 16 << 20

_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[^}]*)\})")
_EXECUTABLE: dict[Executor, int] = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111}
#: As Go writes what ls(1) writes at other places: https://pkg.go.dev/io/fs#FileMode
_GO_KINDS = {"d": "d", "l": "L", "b": "D", "c": "Dc", "p": "p", "s": "S", "-": ""}


def check_contents(suite: Suite, root: Path, config: ContainerConfig) -> Iterator[Checked]:
    """What came of each test of the files and of the config, in order."""
    environment = environment_of(config)
    for file in suite.files:
        problems = list(_file_problems(file, root, environment))
        yield judged(suite, "fileExistenceTests", file.name, problems)
    for content in suite.contents:
        problems = list(_content_problems(content, root, environment))
        yield judged(suite, "fileContentTests", content.name, problems)
    if suite.metadata is not None:
        problems = list(_metadata_problems(suite.metadata, config))
        yield judged(suite, "metadataTest", "metadata", problems)


def judged(
    suite: Suite, kind: TestKind, name: str, problems: Sequence[str], seconds: float = 0.0
) -> Checked:
    """The outcome of a test: it passed if there are no problems."""
    if not problems:
        return Checked(suite.source, kind, name, "passed", seconds)
    return Checked(suite.source, kind, name, "failed", seconds, "; ".join(problems))


def with_variables(text: str, environment: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` replaced, as far as the environment has them: a shell has others."""
    return _VARIABLE.sub(
        lambda match: environment.get(match["plain"] or match["braced"], match[0]), text
    )


def pattern_problems(patterns: Patterns, text: str, where: str) -> Iterator[str]:
    """What is missing in a text, and what should be; `where` says which text it is."""
    try:
        for pattern in patterns.expected:
            if not found_in(pattern, text):
                yield f"{where} has nothing in it that matches {pattern.pattern!r}"
        for pattern in patterns.excluded:
            if found_in(pattern, text):
                yield f"{where} has in it what matches {pattern.pattern!r}"
    except VerificationError as error:
        yield str(error)


def _file_problems(check: FileCheck, root: Path, environment: Mapping[str, str]) -> Iterator[str]:
    path = with_variables(check.path, environment)
    found = _status(root, path)
    if found is None or not check.should_exist:
        if (found is not None) != check.should_exist:
            yield f"{path} is {'not ' if found is None else ''}there"
        return
    written = stat.filemode(found.st_mode)
    if check.permissions not in {None, written, _as_go_writes(written)}:
        yield f"{path} has the permissions {written}, not {check.permissions}"
    if check.uid not in {None, found.st_uid}:
        yield f"{path} belongs to user {found.st_uid}, not {check.uid}"
    if check.gid not in {None, found.st_gid}:
        yield f"{path} belongs to group {found.st_gid}, not {check.gid}"
    if check.executable_by and not found.st_mode & _EXECUTABLE[check.executable_by]:
        yield f"{path} is not executable by {check.executable_by}: {written}"


def _status(root: Path, path: str) -> stat_result | None:
    """Of a link, what it is itself."""
    try:
        return resolve_in_root(root, path, follow_last=False).lstat()
    except (OSError, ValueError):
        return None


def _as_go_writes(written: str) -> str:
    special = "".join(
        letter
        for letter, place, marks in (("u", 3, "sS"), ("g", 6, "sS"), ("t", 9, "tT"))
        if written[place] in marks
    )
    bits = re.sub("[st]", "x", re.sub("[ST]", "-", written[1:]))
    return f"{_GO_KINDS.get(written[0], '?') + special or '-'}{bits}"


def _content_problems(
    check: ContentCheck, root: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    path = with_variables(check.path, environment)
    content = read_in_root(root, path, _LARGEST_CONTENT + 1)
    if content is None:
        yield f"{path} is no file"
    elif len(content) > _LARGEST_CONTENT:
        yield f"{path} is larger than {_LARGEST_CONTENT >> 20} MiB, and not searched"
    else:
        yield from pattern_problems(check.content, content.decode(errors="replace"), path)


def _metadata_problems(check: MetadataCheck, config: ContainerConfig) -> Iterator[str]:
    environment = environment_of(config)
    yield from _pair_problems(check.environment, environment, "the variable")
    for name in check.unset:
        if name in environment:
            yield f"the variable {name} is set"
    yield from _pair_problems(check.labels, config.labels or {}, "the label")
    for name, wanted, there in (
        ("ENTRYPOINT", check.entrypoint, config.entrypoint or ()),
        ("CMD", check.cmd, config.cmd or ()),
    ):
        if wanted is not None and wanted != there:
            yield f"{name} is {list(there)}, not {list(wanted)}"
    yield from _set_problems(check, config)
    for name, text, said in (
        ("WORKDIR", check.working_directory, config.working_dir),
        ("USER", check.user, config.user),
    ):
        if text is not None and text != said:
            yield f"{name} is {said!r}, not {text!r}"


def _pair_problems(
    wanted: Sequence[Expected], there: Mapping[str, str], what: str
) -> Iterator[str]:
    for each in wanted:
        if each.key not in there:
            yield f"{what} {each.key} is not set"
        elif isinstance(each.value, str):
            if there[each.key] != each.value:
                yield f"{what} {each.key} is {there[each.key]!r}, not {each.value!r}"
        else:
            named = f"{what} {each.key}"
            yield from pattern_problems(Patterns((each.value,)), there[each.key], named)


def _set_problems(check: MetadataCheck, config: ContainerConfig) -> Iterator[str]:
    """A port without a protocol stands for any."""
    ports = set(config.exposed_ports or {})
    ports |= {port.partition("/")[0] for port in ports}
    volumes = set(config.volumes or {})
    for names, there, what in (
        (check.ports, ports, "port"),
        (check.volumes, volumes, "volume"),
    ):
        for name in names:
            if name not in there:
                yield f"the {what} {name} is not among those of the image"
    for names, there, what in (
        (check.other_ports, ports, "port"),
        (check.other_volumes, volumes, "volume"),
    ):
        for name in names:
            if name in there:
                yield f"the {what} {name} is among those of the image"
