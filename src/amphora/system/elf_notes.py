"""Which CPU an ELF file says it was made for, beyond its architecture.

x86: the property GNU_PROPERTY_X86_ISA_1_NEEDED
(https://gitlab.com/x86-psABIs/x86-64-ABI, "Program Property"). ARM: the build attribute
Tag_CPU_arch (https://github.com/ARM-software/abi-aa/blob/main/addenda32/addenda32.rst).
Go: the settings in its build info (https://pkg.go.dev/debug/buildinfo).
"""

import struct
from collections.abc import Iterator, Sequence

from amphora.system.elf import PT_LOAD, ElfHeader, Image, Segment

_PT_NOTE, _PT_GNU_PROPERTY = 4, 0x6474E553
_NT_GNU_PROPERTY = 5
_X86_ISA_NEEDED = 0xC0008002
_X86 = frozenset({3, 62})

_ARM = 40
_SHT_ARM_ATTRIBUTES = 0x70000003
_TAG_FILE, _TAG_CPU_ARCH, _TAG_COMPATIBILITY = 1, 6, 32
#: Tags of a text although their number is even (from 32 on, odd ones have a text).
_TEXT_TAGS = frozenset({4, 5})
#: Tag_CPU_arch → the ARM architecture: pre-v4, v4, v4T, v5T, v5TE, v5TEJ, v6, v6KZ, v6T2, v6K,
#: v7, v6-M, v6S-M, v7E-M; all later ones are v8 or newer.
_ARM_ARCHITECTURES = (3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 7, 6, 6, 7)

_GO_MAGIC = b"\xff Go buildinf:"
_GO_INLINE = 2
_WRITABLE = 2

#: Segments that are searched from end to end.
_MOST_DATA = 4

#: More than any honest file has of notes, attributes or settings.
_LARGEST = 1 << 20


def x86_level(image: Image, header: ElfHeader, segments: Sequence[Segment]) -> int:
    """The level of x86-64 that the file needs (1 to 4); 0 if it does not say.

    Raises struct.error for notes that are nowhere.
    """
    if header.machine not in _X86:
        return 0
    level = 0
    for segment in segments:
        if segment.kind not in {_PT_NOTE, _PT_GNU_PROPERTY} or segment.size > _LARGEST:
            continue
        content = bytes(image[segment.offset : segment.offset + segment.size])
        for kind, data in _properties(content, header.bits // 8):
            if kind == _X86_ISA_NEEDED and len(data) >= 4:
                level = max(level, struct.unpack_from("<I", data)[0].bit_length())
    return level


def _properties(notes: bytes, word: int) -> Iterator[tuple[int, bytes]]:
    """The type and data of each GNU property."""
    for name, kind, content in _notes(notes, word):
        position = 0
        while name == b"GNU\0" and kind == _NT_GNU_PROPERTY and position + 8 <= len(content):
            number, size = struct.unpack_from("<II", content, position)
            yield number, content[position + 8 : position + 8 + size]
            position += 8 + size + -size % word


def _notes(notes: bytes, word: int) -> Iterator[tuple[bytes, int, bytes]]:
    position = 0
    while position + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, position)
        start = position + 12 + name_size + -name_size % 4
        yield notes[position + 12 : position + 12 + name_size], kind, notes[start : start + size]
        # Property notes are aligned to a word, all others to four bytes.
        position = start + size + -size % (word if kind == _NT_GNU_PROPERTY else 4)


def arm_architecture(image: Image, header: ElfHeader) -> int:
    """The ARM architecture that the file was compiled for; 0 if it does not say.

    Raises struct.error or IndexError for sections that are nowhere.
    """
    if header.machine != _ARM or header.bits != 32:
        return 0
    start = struct.unpack_from(header.layout("I"), image, 32)[0]
    size, count = struct.unpack_from(header.layout("HH"), image, 46)
    for number in range(count if start else 0):
        fields = struct.unpack_from(header.layout("10I"), image, start + number * size)
        if fields[1] == _SHT_ARM_ATTRIBUTES and fields[5] <= _LARGEST:
            return _cpu_arch(bytes(image[fields[4] : fields[4] + fields[5]]), header)
    return 0


def _cpu_arch(attributes: bytes, header: ElfHeader) -> int:
    """Tag_CPU_arch of the vendor "aeabi", of the whole file."""
    position = 1
    while attributes[:1] == b"A" and position + 4 < len(attributes):
        size = struct.unpack_from(header.layout("I"), attributes, position)[0]
        vendor, _, content = attributes[position + 4 : position + size].partition(b"\0")
        if vendor == b"aeabi" and content[:1] == bytes([_TAG_FILE]):
            for tag, value in _attributes(content[5:]):
                if tag == _TAG_CPU_ARCH:
                    return _ARM_ARCHITECTURES[value] if value < len(_ARM_ARCHITECTURES) else 8
        position += max(size, 4)
    return 0


def _attributes(content: bytes) -> Iterator[tuple[int, int]]:
    """The tags with a number; those with a text are passed over."""
    position = 0
    while position < len(content):
        tag, position = _uleb(content, position)
        value = 0
        if tag not in _TEXT_TAGS and (tag <= _TAG_COMPATIBILITY or not tag % 2):
            value, position = _uleb(content, position)
        if tag in _TEXT_TAGS or tag == _TAG_COMPATIBILITY or (tag > 32 and tag % 2):
            end = content.find(b"\0", position)
            position = end + 1 if end >= 0 else len(content)
        yield tag, value


def go_settings(image: Image, segments: Sequence[Segment]) -> dict[str, str]:
    """The settings (`GOARCH`, `GOAMD64`, …) a Go program was built with; none of another.

    Of programs since Go 1.18, which have them where they can be read without running.
    """
    _, text = go_information(image, segments)
    pairs = (line[len("build\t") :] for line in text.split("\n") if line.startswith("build\t"))
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def go_information(image: Image, segments: Sequence[Segment]) -> tuple[str, str]:
    """The version of Go (`go1.24.4`) and the lines about modules and settings; else empty."""
    data = [each for each in segments if each.kind == PT_LOAD and each.flags & _WRITABLE]
    for segment in data[:_MOST_DATA]:
        found = image.find(_GO_MAGIC, segment.offset, segment.offset + segment.size)
        if found >= 0 and image[found + 15 : found + 16] == bytes([_GO_INLINE]):
            return _go_texts(bytes(image[found + 32 : found + 32 + _LARGEST]))
    return "", ""


def _go_texts(content: bytes) -> tuple[str, str]:
    """The version and the module information, each with its length in front."""
    size, position = _uleb(content, 0)
    version, end = content[position : position + size], position + size
    size, position = _uleb(content, end)
    return version.decode(errors="replace"), content[position : position + size].decode(
        errors="replace"
    )


def _uleb(content: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends; a cut one ends with the content."""
    value = shift = 0
    for byte in content[position : position + 10]:
        value |= (byte & 0x7F) << shift
        shift += 7
        position += 1
        if not byte & 0x80:
            break
    return value, position
