"""The modules that a Go program was linked from, which it says itself since Go 1.18.

https://pkg.go.dev/debug/buildinfo, https://pkg.go.dev/runtime/debug#BuildInfo
"""

import struct
from itertools import islice
from typing import NamedTuple

from amphora.system.elf import Image, parse_header, segments_of
from amphora.system.elf_notes import go_information

#: What Go's own library is called in databases of vulnerabilities.
STANDARD_LIBRARY = "stdlib"

_MOST_SEGMENTS = 64
_MOST_MODULES = 20_000


class GoModule(NamedTuple):
    """`version` is empty for a main module that was built from a working directory."""

    path: str
    version: str


def read_modules(image: Image) -> tuple[GoModule, ...]:
    """The modules of an ELF file, which may be hostile; none if it is no Go program.

    The main module and those it was linked with, replaced ones as what replaced them, and the
    standard library by the version of the toolchain.
    """
    header = parse_header(bytes(image[:20]))
    if header is None:
        return ()
    try:
        segments = list(islice(segments_of(image, header), _MOST_SEGMENTS))
        version, text = go_information(image, segments)
    except (struct.error, ValueError, OverflowError):
        return ()
    found: list[GoModule] = []
    for line in islice(text.split("\n"), _MOST_MODULES):
        kind, *fields = line.split("\t")
        if kind in {"mod", "dep", "=>"} and len(fields) >= 2 and fields[0]:
            if kind == "=>" and found:
                found.pop()
            found.append(GoModule(fields[0], "" if fields[1] == "(devel)" else fields[1]))
    number = version.partition(" ")[0].removeprefix("go")
    return (*([GoModule(STANDARD_LIBRARY, number)] if number else ()), *found)
