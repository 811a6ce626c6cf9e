"""Tests of an image as values: those of container-structure-test, and ports that must listen.

https://github.com/GoogleContainerTools/container-structure-test#readme (schema 2.0.0)
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct, field

#: What a test is about, by the key of the file that it is under.
TestKind: TypeAlias = Literal[
    "commandTests", "fileExistenceTests", "fileContentTests", "metadataTest", "portTests"
]

Executor: TypeAlias = Literal["owner", "group", "other", "any"]


class Expected(Struct, frozen=True):
    """A variable or a label, and what it must be: a text, or what matches."""

    key: str
    value: str | re.Pattern[str]


class Patterns(Struct, frozen=True):
    """What must be somewhere in a text, and what must not be."""

    expected: tuple[re.Pattern[str], ...] = ()
    excluded: tuple[re.Pattern[str], ...] = ()


class CommandCheck(Struct, frozen=True):
    """A command in a container of its own, between commands that prepare and clean up."""

    name: str
    command: tuple[str, ...]
    setup: tuple[tuple[str, ...], ...] = ()
    teardown: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    output: Patterns = Patterns()
    errors: Patterns = Patterns()


class FileCheck(Struct, frozen=True):
    """What a path must be, or that nothing is there; None where it does not matter."""

    name: str
    path: str
    should_exist: bool = True
    permissions: str | None = None
    uid: int | None = None
    gid: int | None = None
    executable_by: Executor | None = None


class ContentCheck(Struct, frozen=True):
    """What must be in a file, and what must not."""

    name: str
    path: str
    content: Patterns


class MetadataCheck(Struct, frozen=True):
    """What the image's config must say; None where it does not matter."""

    environment: tuple[Expected, ...] = ()
    unset: tuple[str, ...] = ()
    labels: tuple[Expected, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    ports: tuple[str, ...] = ()
    other_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    other_volumes: tuple[str, ...] = ()
    working_directory: str | None = None
    user: str | None = None


class PortCheck(Struct, frozen=True):
    """Ports, as `80/tcp`, that must listen for others some time after a command was started.

    An empty command is the image's own.
    """

    name: str
    ports: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Suite(Struct, frozen=True):
    """The tests of one file, `source`; its `environment` and `user` are for all commands."""

    source: str
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    commands: tuple[CommandCheck, ...] = ()
    files: tuple[FileCheck, ...] = ()
    contents: tuple[ContentCheck, ...] = ()
    metadata: MetadataCheck | None = None
    ports: tuple[PortCheck, ...] = ()

    @property
    def runs_something(self) -> bool:
        return bool(self.commands or self.ports)


class Checked(Struct, frozen=True):
    """What came of a test: `problem` says why it failed; a skipped one has none."""

    source: str
    kind: TestKind
    name: str
    result: Literal["passed", "failed", "skipped"]
    seconds: float = 0.0
    problem: str | None = None
