"""What the ELF header of each architecture's programs looks like, and who emulates it.

Magic and mask cover the first 20 bytes: identification, type (executable or
position-independent) and machine, with the ABI bytes masked out; for 32-bit MIPS also the
flags that tell its two ABIs apart. The magic is that of QEMU's
scripts/qemu-binfmt-conf.sh; the masks are as wide as its own, or stricter where it lets
pass what is no valid ELF header. The kernel's documentation is
https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from typing import Literal

from msgspec import Struct

from amphora.core.platform import Platform


class ElfFormat(Struct, frozen=True):
    """One row: QEMU's name for the CPU, the header's magic bytes and the mask over them."""

    qemu_cpu: str
    magic: bytes
    mask: bytes

    @property
    def entry(self) -> str:
        """The name of the binfmt_misc entry; the one that Debian's packages use too."""
        return f"qemu-{self.qemu_cpu}"

    def matches(self, start: bytes) -> bool:
        """Would the kernel take a file that starts like this for one of this format?"""
        return matches(start, self.magic, self.mask)


#: ELF class and data encoding (bytes 4 and 5), by word size and byte order.
LITTLE_64, BIG_64, LITTLE_32, BIG_32 = b"\x02\x01", b"\x02\x02", b"\x01\x01", b"\x01\x02"
_ANY_ABI = b"\xff" * 7 + b"\x00" + b"\xff" * 8
#: MIPS programs have an ABI version other than 0, too.
ANY_ABI_VERSION = b"\xff" * 7 + b"\x00\x00" + b"\xff" * 7
_LITTLE_TYPE_AND_MACHINE = b"\xfe\xff\xff\xff"
_BIG_TYPE_AND_MACHINE = b"\xff\xfe\xff\xff"


#: EF_MIPS_ABI2 in e_flags (bytes 36 to 39) tells the n32 ABI from o32; both are 32 bits wide.
_MIPS_N32 = 0x20


def elf_format(
    cpu: str, kind: bytes, machine: int, *, ignored: bytes = _ANY_ABI, n32: bool | None = None
) -> ElfFormat:
    """A row; `kind` is bytes 4 and 5, `n32` asks for one of the two ABIs of 32-bit MIPS."""
    little = kind[1] == 1
    order: Literal["little", "big"] = "little" if little else "big"
    executable = (2).to_bytes(2, order)
    magic = b"\x7fELF" + kind + b"\x01" + b"\x00" * 9 + executable + machine.to_bytes(2, order)
    mask = ignored + (_LITTLE_TYPE_AND_MACHINE if little else _BIG_TYPE_AND_MACHINE)
    if n32 is None:
        return ElfFormat(cpu, magic, mask)
    version, unread, flag = (1).to_bytes(4, order), bytes(12), _MIPS_N32.to_bytes(4, order)
    magic += version + unread + (flag if n32 else bytes(4))
    return ElfFormat(cpu, magic, mask + b"\xff" * 4 + unread + flag)


#: By architecture; the machine numbers are e_machine of the System V ABI.
FORMATS: dict[str, ElfFormat] = {
    "386": elf_format("i386", LITTLE_32, 3),
    "amd64": elf_format("x86_64", LITTLE_64, 62),
    "arm": elf_format("arm", LITTLE_32, 40),
    "arm64": elf_format("aarch64", LITTLE_64, 183),
    "loong64": elf_format("loongarch64", LITTLE_64, 258),
    "mips": elf_format("mips", BIG_32, 8, ignored=ANY_ABI_VERSION, n32=False),
    "mips64": elf_format("mips64", BIG_64, 8, ignored=ANY_ABI_VERSION),
    "mips64le": elf_format("mips64el", LITTLE_64, 8, ignored=ANY_ABI_VERSION),
    "mipsle": elf_format("mipsel", LITTLE_32, 8, ignored=ANY_ABI_VERSION, n32=False),
    "ppc64": elf_format("ppc64", BIG_64, 21),
    "ppc64le": elf_format("ppc64le", LITTLE_64, 21),
    "riscv64": elf_format("riscv64", LITTLE_64, 243),
    "s390x": elf_format("s390x", BIG_64, 22),
}


def format_of(platform: Platform) -> ElfFormat | None:
    """The ELF format of a Linux platform's programs, or None if nothing can run them here."""
    return FORMATS.get(platform.architecture) if platform.os == "linux" else None


def matches(start: bytes, magic: bytes, mask: bytes) -> bool:
    """What the kernel asks of a file's first bytes: those that the mask keeps are the magic's."""
    if len(start) < len(magic):
        return False
    return all((a ^ b) & m == 0 for a, b, m in zip(start, magic, mask, strict=False))
