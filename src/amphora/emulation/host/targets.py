"""Every CPU that QEMU's user mode runs, as Debian packages it: which one an entry is for.

Those that images are made for are in `formats.py`; here are the others, so that no entry
of somebody else's table is a riddle. The numbers are e_machine of the System V ABI.
https://gitlab.com/qemu-project/qemu/-/blob/master/scripts/qemu-binfmt-conf.sh
"""

from amphora.core.platform import Platform
from amphora.emulation.formats import (
    ANY_ABI_VERSION,
    BIG_32,
    BIG_64,
    FORMATS,
    LITTLE_32,
    LITTLE_64,
    ElfFormat,
    elf_format,
)
from amphora.emulation.host.entry import Entry
from amphora.emulation.probe import program

_OTHERS = (
    elf_format("aarch64_be", BIG_64, 183),
    elf_format("alpha", LITTLE_64, 0x9026),
    elf_format("armeb", BIG_32, 40),
    elf_format("cris", LITTLE_32, 76),
    elf_format("hexagon", LITTLE_32, 164),
    elf_format("hppa", BIG_32, 15),
    elf_format("m68k", BIG_32, 4),
    elf_format("microblaze", BIG_32, 0xBAAB),
    elf_format("microblazeel", LITTLE_32, 0xBAAB),
    elf_format("mipsn32", BIG_32, 8, ignored=ANY_ABI_VERSION, n32=True),
    elf_format("mipsn32el", LITTLE_32, 8, ignored=ANY_ABI_VERSION, n32=True),
    elf_format("or1k", BIG_32, 92),
    elf_format("ppc", BIG_32, 20),
    elf_format("riscv32", LITTLE_32, 243),
    elf_format("sh4", LITTLE_32, 42),
    elf_format("sh4eb", BIG_32, 42),
    elf_format("sparc", BIG_32, 2),
    elf_format("sparc32plus", BIG_32, 18),
    elf_format("sparc64", BIG_64, 43),
    elf_format("xtensa", LITTLE_32, 94),
    elf_format("xtensaeb", BIG_32, 94),
)

#: By QEMU's name for the CPU.
TARGETS: dict[str, ElfFormat] = {
    each.qemu_cpu: each for each in sorted((*FORMATS.values(), *_OTHERS), key=lambda e: e.qemu_cpu)
}

#: As much of a file as any magic reaches into (the kernel reads 256 bytes).
_HEADER_SIZE = 256


def start_of(elf: ElfFormat) -> bytes:
    """The first bytes of a file that is of a format."""
    return elf.magic.ljust(_HEADER_SIZE, b"\0")


def cpus_of(entry: Entry) -> tuple[str, ...]:
    """QEMU's names for the CPUs whose programs an entry takes; more than one is a mistake."""
    return tuple(cpu for cpu, elf in TARGETS.items() if entry.takes(start_of(elf)))


def platform_of(entry: Entry) -> Platform | None:
    """The platform whose programs an entry takes; None if they are no programs of a CPU."""
    for architecture in FORMATS:
        if entry.takes(program(architecture)):
            return Platform.parse(architecture)
    cpus = cpus_of(entry)
    return Platform.normalise("linux", cpus[0]) if cpus else None


def takes_own_programs(entry: Entry) -> bool:
    """Would this entry get the programs of this very machine? Nothing would start any more."""
    return entry.takes(program(Platform.host().architecture))
