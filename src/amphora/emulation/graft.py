"""Putting handoff in front of QEMU: one executable that decides first and emulates second.

The code of `native/handoff.c` is appended to a copy of a static QEMU, mapped by a
program header that held only a note, and made the entry point. It ends by jumping to
QEMU's own entry point, so that whatever is not handed off runs exactly as before.
https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amphora.core.errors import ToolFailedError
from amphora.core.platform import Platform
from amphora.emulation.table import LAYOUT

_PT_LOAD, _PT_INTERP, _PT_NOTE = 1, 3, 4
_READ_EXECUTE = 5
_SMALLEST_PAGE = 0x1000
_PATCH_MAGIC = b"AHOPATCH"

#: e_entry, e_phoff and the size and number of program headers, by offset in the ELF header.
_ENTRY_AT, _HEADERS_AT, _COUNT_AT = 24, 32, 54

#: p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
_SEGMENT = struct.Struct("<IIQQQQQQ")

#: What the executables of processes in a grafted emulator are called in /proc.
SHOWN_AS = "/memfd:handoff-"


def handoff_code() -> bytes | None:
    """The code for this machine's CPU, as `make setup` compiled it.

    None if it did not, or from a source whose tables have another layout.
    """
    name = f"handoff-{Platform.host().architecture}.bin"
    path = Path(__file__).with_name("native") / name
    code = path.read_bytes() if path.exists() else b""
    known = code[code.find(_PATCH_MAGIC) + 16 :].startswith(LAYOUT)
    return code if known else None


@contextmanager
def grafted(emulator: Path, code: bytes) -> Iterator[Path]:
    """A path under which the grafted emulator can be opened meanwhile; it is on no disk."""
    descriptor = os.memfd_create(f"handoff-{emulator.name}", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(graft(emulator, code))
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def graft(emulator: Path, code: bytes) -> bytes:
    """The emulator's executable with `code` in front of it.

    Raises ToolFailedError if the emulator is not a static 64-bit little-endian ELF
    file with a note to spare.
    """
    image = bytearray(emulator.read_bytes())
    if image[:6] != b"\x7fELF\x02\x01":
        raise _unfit(emulator, "it is not a 64-bit little-endian ELF file")
    try:
        entry, headers = struct.unpack_from("<QQ", image, _ENTRY_AT)
        size, count = struct.unpack_from("<HH", image, _COUNT_AT)
        places = [headers + number * size for number in range(count)]
        segments = {place: _SEGMENT.unpack_from(image, place) for place in places}
    except struct.error:
        raise _unfit(emulator, "it is cut short") from None
    if any(segment[0] == _PT_INTERP for segment in segments.values()):
        raise _unfit(emulator, "it is not static, and its loader is not in the image")
    notes = [place for place, segment in segments.items() if segment[0] == _PT_NOTE]
    if not notes:
        raise _unfit(emulator, "it has no note segment whose place could be taken")
    loaded = [each for each in segments.values() if each[0] == _PT_LOAD]
    # The largest pages of its CPU: ARM's may have 64 KiB.
    page = max([_SMALLEST_PAGE, *(each[7] for each in loaded)])
    address = _next(page, max(each[3] + each[6] for each in loaded))
    image += b"\0" * (_next(page, len(image)) - len(image))
    segment = (_PT_LOAD, _READ_EXECUTE, len(image), address, address, len(code), len(code), page)
    _SEGMENT.pack_into(image, notes[-1], *segment)
    struct.pack_into("<Q", image, _ENTRY_AT, address)
    return bytes(image) + _aimed(code, entry - address)


def _aimed(code: bytes, entry: int) -> bytes:
    """The code, knowing where QEMU's entry point is (relative to the code's first byte)."""
    patch = code.index(_PATCH_MAGIC)
    distance = struct.pack("<q", entry - patch)
    return code[: patch + 8] + distance + code[patch + 16 :]


def _next(page: int, position: int) -> int:
    return -(-position // page) * page


def _unfit(emulator: Path, why: str) -> ToolFailedError:
    return ToolFailedError(
        f"handoff cannot be put in front of {emulator}",
        why=why,
        next_command="build with --handoff=off, or install Debian's qemu-user-static",
    )
