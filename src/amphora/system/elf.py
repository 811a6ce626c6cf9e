"""ELF headers: which CPU a program is for, read from its first bytes.

https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
"""

from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF"
_HEADER_SIZE = 20

#: e_machine → the architecture, for (little-endian, big-endian).
_MACHINES: dict[int, tuple[str | None, str | None]] = {
    3: ("386", None),
    8: ("mipsle", "mips"),
    21: ("ppc64le", "ppc64"),
    22: (None, "s390x"),
    40: ("arm", None),
    62: ("amd64", None),
    183: ("arm64", None),
    243: ("riscv64", None),
    258: ("loong64", None),
}
_MIPS = 8


@dataclass(frozen=True, slots=True)
class ElfHeader:
    """`bits` is 32 or 64, `machine` the number e_machine, `architecture` OCI's name if known."""

    bits: int
    little_endian: bool
    machine: int

    @property
    def architecture(self) -> str | None:
        names = _MACHINES.get(self.machine)
        name = names and names[0 if self.little_endian else 1]
        if name and self.machine == _MIPS and self.bits == 64:
            return name.replace("mips", "mips64")
        return name


def parse_header(start: bytes) -> ElfHeader | None:
    """Read an ELF header from a file's first 20 bytes; None if it is no ELF file."""
    if len(start) < _HEADER_SIZE or not start.startswith(_MAGIC) or start[4] not in {1, 2}:
        return None
    little = start[5] == 1
    machine = int.from_bytes(start[18:20], "little" if little else "big")
    return ElfHeader(bits=32 * start[4], little_endian=little, machine=machine)


def read_header(path: Path) -> ElfHeader | None:
    """As parse_header, for a file."""
    with path.open("rb") as file:
        return parse_header(file.read(_HEADER_SIZE))
