"""Proof by execution: for each architecture, the smallest program that can say it ran.

The program is an ELF header, one program header and three or four instructions:
exit with the number of arguments (argv[0] included), of which it is given 42. A machine
that returns 42 has executed that CPU's code, and has lost or added no argument: an
emulator that is registered with the flag P and knows nothing of it, or the reverse,
counts one more or less (https://docs.kernel.org/admin-guide/binfmt-misc.html).
"""

import os
import struct
import subprocess
from typing import Literal

from amphora.core.platform import Platform
from amphora.emulation.formats import FORMATS, format_of

#: What the programs exit with, and how many arguments they get: a number that no loader
#: or shell gives by accident.
WITNESS = 42

#: exit(argc) in machine code: argc lies where the stack pointer points at the start of
#: every program; the number of exit(2) differs from one CPU to the next.
_EXIT_ARGC: dict[str, bytes] = {
    "386": bytes.fromhex("5b b801000000 cd80"),  # pop ebx; mov eax,1; int 0x80
    "amd64": bytes.fromhex("5f b83c000000 0f05"),  # pop rdi; mov eax,60; syscall
    "arm": struct.pack("<3I", 0xE59D0000, 0xE3A07001, 0xEF000000),  # ldr r0; mov r7,1; svc 0
    "arm64": struct.pack("<3I", 0xF94003E0, 0xD2800BA8, 0xD4000001),  # ldr x0; mov x8,93; svc 0
    "loong64": struct.pack("<3I", 0x28C00064, 0x0381740B, 0x002B0000),  # ld.d a0; ori a7,93
    "mips": struct.pack(">3I", 0x8FA40000, 0x24020FA1, 0x0000000C),  # lw a0; li v0,4001
    "mips64": struct.pack(">3I", 0xDFA40000, 0x240213C2, 0x0000000C),  # ld a0; li v0,5058
    "mips64le": struct.pack("<3I", 0xDFA40000, 0x240213C2, 0x0000000C),
    "mipsle": struct.pack("<3I", 0x8FA40000, 0x24020FA1, 0x0000000C),
    "ppc64": struct.pack(">3I", 0xE8610000, 0x38000001, 0x44000002),  # ld r3; li r0,1; sc
    "ppc64le": struct.pack("<3I", 0xE8610000, 0x38000001, 0x44000002),
    "riscv64": struct.pack("<3I", 0x00013503, 0x05D00893, 0x00000073),  # ld a0; li a7,93; ecall
    "s390x": bytes.fromhex("e320f0000004 0a01"),  # lg %r2,0(%r15); svc 1
}

#: e_flags, where the kernel or QEMU refuses a program without them: the ABI's version.
_FLAGS = {
    "arm": 0x05000000,
    "loong64": 0x43,
    "mips": 0x50001005,
    "mips64": 0x60000007,
    "mips64le": 0x60000007,
    "mipsle": 0x50001005,
    "ppc64": 2,
    "ppc64le": 2,
    "riscv64": 0x5,
}

_LOAD_ADDRESS = 0x400000


def program(architecture: str) -> bytes:
    """A complete static executable of an architecture that exits with its argc."""
    return executable(architecture, _EXIT_ARGC[architecture])


def executable(architecture: str, code: bytes) -> bytes:
    """A complete static executable of an architecture out of machine code."""
    identification = FORMATS[architecture].magic[:16]
    machine = int.from_bytes(FORMATS[architecture].magic[18:20], _byte_order(architecture))
    order = "<" if _byte_order(architecture) == "little" else ">"
    wide = identification[4] == 2
    header_size, segment_size = (64, 56) if wide else (52, 32)
    start = header_size + segment_size
    header = struct.pack(
        f"{order}HHI{'QQQ' if wide else 'III'}I6H",
        *(2, machine, 1, _LOAD_ADDRESS + start, header_size, 0),
        *(_FLAGS.get(architecture, 0), header_size, segment_size, 1, 0, 0, 0),
    )
    size = start + len(code)
    return identification + header + _segment(order, wide=wide, size=size) + code


def runs(platform: Platform) -> bool:
    """Execute the platform's program through the kernel, whoever ends up running it."""
    if format_of(platform) is None:
        return False
    descriptor = os.memfd_create("probe", 0)
    try:
        os.write(descriptor, program(platform.architecture))
        finished = subprocess.run(
            ["probe"] * WITNESS,
            executable=f"/proc/self/fd/{descriptor}",
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            check=False,
            # A Ctrl-C is meant for us; ended by one, it would prove nothing.
            start_new_session=True,
        )
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return finished.returncode == WITNESS


def _segment(order: str, *, wide: bool, size: int) -> bytes:
    """The one PT_LOAD header: the whole file, readable and executable."""
    load, read_execute, alignment = 1, 5, 0x1000
    if wide:
        fields = (load, read_execute, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, alignment)
        return struct.pack(f"{order}II6Q", *fields)
    fields = (load, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, read_execute, alignment)
    return struct.pack(f"{order}8I", *fields)


def _byte_order(architecture: str) -> Literal["little", "big"]:
    return "little" if FORMATS[architecture].magic[5] == 1 else "big"
