"""ELF headers: which CPU a program is for, read from its first bytes.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class ElfHeader:
    """`bits` is 32 or 64, `machine` the number e_machine, `architecture` OCI's name if known."""

    bits: int
    little_endian: bool
    machine: int

    @property
    def architecture(self) -> str | None:
        return _ARCHITECTURES.get((self.machine, self.bits, self.little_endian))


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
