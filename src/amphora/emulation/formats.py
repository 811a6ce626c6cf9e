"""What the ELF header of each architecture's programs looks like, and who emulates it.

Magic and mask cover the first 20 bytes: identification, type (executable or
position-independent) and machine, with the ABI bytes masked out. The magic
is that of QEMU's scripts/qemu-binfmt-conf.sh; the masks are as wide as its own, or
stricter where it lets pass what is no valid ELF header. The kernel's documentation is
https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from dataclasses import dataclass

from amphora.core.platform import Platform


@dataclass(frozen=True, slots=True)
class ElfFormat:
    """One row: QEMU's name for the CPU, the header's magic bytes and the mask over them."""

    qemu_cpu: str
    magic: bytes
    mask: bytes

    @property
    def entry(self) -> str:
        """The name of the binfmt_misc entry; the one that Debian's packages use too."""
        return f"qemu-{self.qemu_cpu}"


#: ELF class and data encoding (bytes 4 and 5), by word size and byte order.
_LITTLE_64, _BIG_64, _LITTLE_32 = b"\x02\x01", b"\x02\x02", b"\x01\x01"
_ANY_ABI = b"\xff" * 7 + b"\x00" + b"\xff" * 8
#: MIPS programs have an ABI version other than 0, too.
_ANY_ABI_VERSION = b"\xff" * 7 + b"\x00\x00" + b"\xff" * 7
_LITTLE_TYPE_AND_MACHINE = b"\xfe\xff\xff\xff"
_BIG_TYPE_AND_MACHINE = b"\xff\xfe\xff\xff"


def _little(cpu: str, kind: bytes, machine: int, *, ignored: bytes = _ANY_ABI) -> ElfFormat:
    magic = b"\x7fELF" + kind + b"\x01" + b"\x00" * 9 + b"\x02\x00" + machine.to_bytes(2, "little")
    return ElfFormat(cpu, magic, ignored + _LITTLE_TYPE_AND_MACHINE)


def _big(cpu: str, kind: bytes, machine: int) -> ElfFormat:
    magic = b"\x7fELF" + kind + b"\x01" + b"\x00" * 9 + b"\x00\x02" + machine.to_bytes(2, "big")
    return ElfFormat(cpu, magic, _ANY_ABI + _BIG_TYPE_AND_MACHINE)


#: By architecture; the machine numbers are e_machine of the System V ABI.
FORMATS: dict[str, ElfFormat] = {
    "386": _little("i386", _LITTLE_32, 3),
    "amd64": _little("x86_64", _LITTLE_64, 62),
    "arm": _little("arm", _LITTLE_32, 40),
    "arm64": _little("aarch64", _LITTLE_64, 183),
    "loong64": _little("loongarch64", _LITTLE_64, 258),
    "mips64le": _little("mips64el", _LITTLE_64, 8, ignored=_ANY_ABI_VERSION),
    "ppc64le": _little("ppc64le", _LITTLE_64, 21),
    "riscv64": _little("riscv64", _LITTLE_64, 243),
    "s390x": _big("s390x", _BIG_64, 22),
}


def format_of(platform: Platform) -> ElfFormat | None:
    """The ELF format of a Linux platform's programs, or None if nothing can run them here."""
    return FORMATS.get(platform.architecture) if platform.os == "linux" else None
