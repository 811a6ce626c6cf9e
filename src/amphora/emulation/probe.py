"""Proof by execution: for each architecture, the smallest program that can say it ran.

The program is an ELF header, one program header and three or four instructions:
exit with status 42. A machine that returns 42 has executed that CPU's code.
"""

import os
import struct
import subprocess
from typing import Literal

from amphora.core.platform import Platform
from amphora.emulation.formats import FORMATS, format_of

#: What the programs exit with: a number that no loader or shell gives by accident.
WITNESS = 42

#: exit(42) in machine code; the number of exit(2) differs from one CPU to the next.
_EXIT_42: dict[str, bytes] = {
    "386": bytes.fromhex("b801000000 bb2a000000 cd80"),  # mov eax,1; mov ebx,42; int 0x80
    "amd64": bytes.fromhex("b83c000000 bf2a000000 0f05"),  # mov eax,60; mov edi,42; syscall
    "arm": struct.pack("<3I", 0xE3A0002A, 0xE3A07001, 0xEF000000),  # mov r0; mov r7,1; svc 0
    "arm64": struct.pack("<3I", 0xD2800540, 0xD2800BA8, 0xD4000001),  # mov x0; mov x8,93; svc 0
    "loong64": struct.pack("<3I", 0x0380A804, 0x0381740B, 0x002B0000),  # ori a0; ori a7,93
    "mips64le": struct.pack("<3I", 0x2404002A, 0x240213C2, 0x0000000C),  # li a0; li v0,5058
    "ppc64le": struct.pack("<3I", 0x3860002A, 0x38000001, 0x44000002),  # li r3; li r0,1; sc
    "riscv64": struct.pack("<3I", 0x02A00513, 0x05D00893, 0x00000073),  # li a0; li a7,93; ecall
    "s390x": bytes.fromhex("a729002a 0a01"),  # lghi %r2,42; svc 1
}

#: e_flags, where the kernel or QEMU refuses a program without them: the ABI's version.
_FLAGS = {"arm": 0x05000000, "ppc64le": 2, "mips64le": 0x60000007, "riscv64": 0x5, "loong64": 0x43}

_LOAD_ADDRESS = 0x400000


def program(architecture: str) -> bytes:
    """A complete static executable of an architecture that exits with WITNESS."""
    identification = FORMATS[architecture].magic[:16]
    machine = int.from_bytes(FORMATS[architecture].magic[18:20], _byte_order(architecture))
    order = "<" if _byte_order(architecture) == "little" else ">"
    wide = identification[4] == 2
    header_size, segment_size = (64, 56) if wide else (52, 32)
    start = header_size + segment_size
    code = _EXIT_42[architecture]
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
            [f"/proc/self/fd/{descriptor}"],
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
