"""ELF headers: which CPU a program is for, read from its first bytes.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

import mmap
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from msgspec import Struct

#: The content of a file, wherever it is.
Image: TypeAlias = bytes | bytearray | mmap.mmap

_MAGIC = b"\x7fELF"
_HEADER_SIZE = 20

#: (e_machine, word size, little-endian) → the architecture.
_ARCHITECTURES: dict[tuple[int, int, bool], str] = {
    (3, 32, True): "386",
    (8, 32, False): "mips",
    (8, 32, True): "mipsle",
    (8, 64, False): "mips64",
    (8, 64, True): "mips64le",
    (21, 64, False): "ppc64",
    (21, 64, True): "ppc64le",
    (22, 64, False): "s390x",
    (40, 32, True): "arm",
    (62, 64, True): "amd64",
    (183, 64, True): "arm64",
    (243, 64, True): "riscv64",
    (258, 64, True): "loong64",
}


class ElfHeader(Struct, frozen=True):
    """`bits` is 32 or 64, `machine` the number e_machine, `architecture` OCI's name if known."""

    bits: int
    little_endian: bool
    machine: int

    @property
    def architecture(self) -> str | None:
        return _ARCHITECTURES.get((self.machine, self.bits, self.little_endian))

    def layout(self, fields: str) -> str:
        """Fields as `struct` spells them, in the file's byte order."""
        return ("<" if self.little_endian else ">") + fields


def word_size(architecture: str) -> int | None:
    """The bits of a word, 32 or 64, by OCI's name of the architecture; None if not known."""
    sizes = (bits for (_, bits, _), name in _ARCHITECTURES.items() if name == architecture)
    return next(sizes, None)


def parse_header(start: bytes) -> ElfHeader | None:
    """Read an ELF header from a file's first 20 bytes; None if it is no ELF file."""
    if len(start) < _HEADER_SIZE or not start.startswith(_MAGIC):
        return None
    if start[4] not in {1, 2} or start[5] not in {1, 2}:
        return None
    little = start[5] == 1
    machine = int.from_bytes(start[18:20], "little" if little else "big")
    return ElfHeader(bits=32 * start[4], little_endian=little, machine=machine)


def read_header(path: Path) -> ElfHeader | None:
    """As parse_header, for a file."""
    with path.open("rb") as file:
        return parse_header(file.read(_HEADER_SIZE))


class Dynamics(Struct, frozen=True):
    """What the loader reads of a program or library: its CPU, its loader, what it needs.

    `interpreter` is empty for a static program and for a library.
    """

    architecture: str | None
    interpreter: str
    needed: tuple[str, ...]


PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5
_SEGMENT_64 = "IIQQQQQQ"
_SEGMENT_32 = "IIIIIIII"

#: More than any real program has: a hostile one costs no more to read than these.
_MOST_ENTRIES = 4096
_LONGEST_TEXT = 4096


def read_dynamics(path: Path) -> Dynamics | None:
    """Read the program headers and the dynamic section; None if it is no sound ELF file.

    The file may be hostile; it must be a regular one. Raises OSError if it cannot be read.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _HEADER_SIZE:
            return None
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
                header = parse_header(image[:_HEADER_SIZE])
                return _dynamics(image, header) if header else None
        except (struct.error, ValueError, OverflowError):
            # An offset outside the file, or outside what a number can be.
            return None


def _dynamics(image: mmap.mmap, header: ElfHeader) -> Dynamics:
    segments = list(segments_of(image, header))
    interpreter = next(
        (text_at(image, each.offset) for each in segments if each.kind == PT_INTERP), ""
    )
    dynamic = next((each for each in segments if each.kind == PT_DYNAMIC), None)
    needed: tuple[str, ...] = ()
    if dynamic is not None:
        needed = texts_of(image, segments, dynamic_tags(image, header, dynamic)).get(_DT_NEEDED, ())
    return Dynamics(header.architecture, interpreter, needed)


class Segment(NamedTuple):
    """A program header; `size` is what the segment takes in the file."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int


def segments_of(image: Image, header: ElfHeader) -> Iterator[Segment]:
    """The program headers; raises struct.error or ValueError if they are nowhere."""
    wide = header.bits == 64
    start = struct.unpack_from(header.layout("Q" if wide else "I"), image, 32 if wide else 28)[0]
    size, count = struct.unpack_from(header.layout("HH"), image, 54 if wide else 42)
    layout = struct.Struct(header.layout(_SEGMENT_64 if wide else _SEGMENT_32))
    for number in range(count):
        fields = layout.unpack_from(image, start + number * size)
        if wide:
            yield Segment(fields[0], fields[1], fields[2], fields[3], fields[5])
        else:
            yield Segment(fields[0], fields[6], fields[1], fields[2], fields[4])


def dynamic_tags(image: Image, header: ElfHeader, dynamic: Segment) -> list[tuple[int, int]]:
    """The dynamic section: entries of a tag and a value up to DT_NULL.

    Raises struct.error or ValueError if it has no end.
    """
    entry = struct.Struct(header.layout("qQ" if header.bits == 64 else "iI"))
    tags: list[tuple[int, int]] = []
    for number in range(_MOST_ENTRIES):
        tag, value = entry.unpack_from(image, dynamic.offset + number * entry.size)
        if tag == _DT_NULL:
            return tags
        tags.append((tag, value))
    raise ValueError


def texts_of(
    image: Image,
    segments: Sequence[Segment],
    tags: Sequence[tuple[int, int]],
    wanted: Collection[int] = (_DT_NEEDED,),
) -> dict[int, tuple[str, ...]]:
    """The texts that entries of the dynamic section name, by tag.

    Raises ValueError if they are nowhere.
    """
    named = [(tag, value) for tag, value in tags if tag in wanted]
    address = next((value for tag, value in tags if tag == _DT_STRTAB), -1)
    strings = [
        each.offset + address - each.address
        for each in segments
        if each.kind == PT_LOAD and each.address <= address < each.address + each.size
    ]
    if named and not strings:
        raise ValueError
    texts: dict[int, tuple[str, ...]] = {}
    for tag, value in named:
        texts[tag] = (*texts.get(tag, ()), text_at(image, strings[0] + value))
    return texts


def text_at(image: Image, offset: int) -> str:
    """A text that a zero byte ends; raises ValueError if none does."""
    if not 0 <= offset < len(image):
        raise ValueError
    end = image.find(b"\0", offset, offset + _LONGEST_TEXT)
    if end < 0:
        raise ValueError
    return image[offset:end].decode(errors="surrogateescape")
