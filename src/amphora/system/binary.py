"""What an ELF file asks of the machine that runs it: CPU, ABI, loader, libraries.

Only what the file says of itself is told; a file can need more than it says.
https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.dynamic.html
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import islice

from msgspec import Struct, field

from amphora.system import elf_notes
from amphora.system.elf import (
    PT_DYNAMIC,
    PT_INTERP,
    ElfHeader,
    Image,
    Segment,
    dynamic_tags,
    parse_header,
    segments_of,
    text_at,
    texts_of,
)

_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 14, 15, 29

#: More than any honest program has; what a hostile one has beyond is not looked at.
_MOST_SEGMENTS = 64

#: e_type of what a kernel or a loader takes: ET_EXEC and ET_DYN.
_LOADED = frozenset({2, 3})


class Binary(Struct, frozen=True):
    """`kind` is e_type, `flags` e_flags, `system` the operating system's number (EI_OSABI).

    `interpreter` is empty for a static program and for a library. `isa` is the level of
    x86-64 that the file says it needs, `arm` the ARM architecture; 0 if it says nothing.
    `go` are the settings a Go program was built with. `damaged`: the header promises what
    the file does not hold.
    """

    header: ElfHeader
    kind: int
    system: int
    flags: int
    interpreter: str = ""
    dynamic: bool = False
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    isa: int = 0
    arm: int = 0
    go: Mapping[str, str] = field(default_factory=dict)
    damaged: bool = False

    @property
    def architecture(self) -> str | None:
        return self.header.architecture

    @property
    def is_loaded(self) -> bool:
        """A program or a shared library, nothing that only a linker reads."""
        return self.kind in _LOADED


def read_binary(image: Image) -> Binary | None:
    """Read an ELF file, which may be hostile; None if it is none."""
    header = parse_header(bytes(image[:20]))
    if header is None:
        return None
    kind = struct.unpack_from(header.layout("H"), image, 16)[0]
    try:
        flags = struct.unpack_from(header.layout("I"), image, 48 if header.bits == 64 else 36)[0]
        return _read(image, header, kind, flags)
    except (struct.error, ValueError, OverflowError):
        return Binary(header, kind, image[7], 0, damaged=True)


def _read(image: Image, header: ElfHeader, kind: int, flags: int) -> Binary:
    segments = list(islice(segments_of(image, header), _MOST_SEGMENTS))
    # Files with debugging symbols only have segments, but nothing in them.
    filled = {each.kind: each for each in reversed(segments) if each.size}
    interpreter = filled.get(PT_INTERP)
    dynamic = filled.get(PT_DYNAMIC)
    texts = _texts(image, header, segments, dynamic) if dynamic else {}
    return Binary(
        header,
        kind,
        system=image[7],
        flags=flags,
        interpreter=text_at(image, interpreter.offset) if interpreter else "",
        dynamic=dynamic is not None,
        soname=next(iter(texts.get(_DT_SONAME, ())), ""),
        needed=texts.get(_DT_NEEDED, ()),
        rpath=_directories(texts.get(_DT_RPATH, ())),
        runpath=_directories(texts.get(_DT_RUNPATH, ())),
        isa=elf_notes.x86_level(image, header, segments),
        arm=elf_notes.arm_architecture(image, header),
        go=elf_notes.go_settings(image, segments),
    )


def _texts(
    image: Image, header: ElfHeader, segments: Sequence[Segment], dynamic: Segment
) -> dict[int, tuple[str, ...]]:
    tags = dynamic_tags(image, header, dynamic)
    return texts_of(image, segments, tags, (_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH))


def _directories(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for path in paths for part in path.split(":") if part)
