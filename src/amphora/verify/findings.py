"""What is wrong with a file of an image, and which files are foreign on purpose."""

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Literal, TypeAlias

from msgspec import Struct

#: An error fails the verification, a warning is shown.
Level: TypeAlias = Literal["error", "warning"]

#: What a finding is about, as programs that read the report know it.
Kind: TypeAlias = Literal[
    "label",
    "entry",
    "architecture",
    "abi",
    "baseline",
    "damaged",
    "loader",
    "library",
    "interpreter",
    "tests",
    "policy",
]

#: The annotation of a manifest, or label of a config, with patterns separated by white space.
ALLOW_ANNOTATION = "dev.amphora.verify.allow"

#: Where files of other CPUs are on purpose: what compilers' own tests read, and native modules
#: of which Node chooses one when it runs (https://github.com/prebuild/prebuildify).
_ALWAYS_ALLOWED = ("*/testdata/*", "*/prebuilds/*")

#: No image may speak for itself about these.
_NEVER_ALLOWED = frozenset({"label", "entry", "tests"})


class Finding(Struct, frozen=True):
    """`path` is inside the image, `layer` counts from 1; both empty for the image as a whole.

    `made_by` is the line of the image's history that made the layer.
    """

    level: Level
    kind: Kind
    path: str
    what: str
    layer: int | None = None
    made_by: str = ""


class Allowed:
    """Patterns of paths: `*` stands for anything, slashes included; `?` and `[…]` as in a shell."""

    def __init__(self, patterns: Iterable[str]) -> None:
        rooted = (each if each.startswith(("/", "*")) else f"/{each}" for each in patterns)
        self._patterns = [re.compile(translate(each)) for each in (*rooted, *_ALWAYS_ALLOWED)]

    def covers(self, finding: Finding) -> bool:
        """Is the file meant to be what it was found to be?"""
        if finding.kind in _NEVER_ALLOWED:
            return False
        return any(pattern.match(finding.path) for pattern in self._patterns)


def read_patterns(text: str) -> tuple[str, ...]:
    """The patterns of a file: one in a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)
