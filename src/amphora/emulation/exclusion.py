"""While one platform is verified, programs of no other CPU run: not even of this machine's own.

The kernel asks binfmt_misc before it looks at a program itself (`insert_binfmt` in
https://github.com/torvalds/linux/blob/v6.18/fs/binfmt_misc.c), so an entry for the ELF
header of this machine's CPU takes its programs as well. That would take the emulator and the
container runtime, too. Their copies therefore bear a *mark*, a random number in two bytes of
the ELF header that mean nothing (the end of EI_PAD), and this CPU is denied by one entry for
each bit: all together they match every program but those with the mark.

What is denied is started as a program of ours that notes its path and exits with 126.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from amphora.core.platform import Platform
from amphora.emulation import binfmt
from amphora.emulation.formats import FORMATS, ElfFormat
from amphora.emulation.probe import executable

#: Where a container finds the file that denied programs are noted in, one path in a line.
RECORD = "/dev/.amphora-denied"

#: The last bytes of EI_PAD: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
_MARK_AT, _MARK_SIZE = 14, 2
_UNREAD = slice(4, 16)
_MACHINE = slice(16, 20)
_MACHINES = [each.magic[_MACHINE] for each in FORMATS.values()]
_AMBIGUOUS = {each for each in _MACHINES if _MACHINES.count(each) > 1}

#: In machine code: put a line end behind argv[1], which is the path of what was executed
#: (https://docs.kernel.org/admin-guide/binfmt-misc.html), append it to the file named behind
#: the code, exit(126).
_DENY: dict[str, bytes] = {
    # mov rbx,[rsp+16]; edx = length; mov byte [rbx+rdx],10; open(record, O_WRONLY|O_APPEND);
    # write(fd, rbx, edx); exit(126)
    "amd64": bytes.fromhex(
        "488b5c241031d2803c13007404ffc2ebf6c604130affc289d5488d3d1e000000be010400006a0258"
        "0f0589c74889de89ea6a01580f056a7e5f6a3c580f05"
    ),
    # ldr x19,[sp,#16]; x20 = length; strb 10,[x19,x20]; openat(AT_FDCWD, record, …);
    # write(fd, x19, x20); exit(126)
    "arm64": bytes.fromhex(
        "f30b40f9140080d2616a74386100003494060091fdffff1741018052616a343894060091600c8092"
        "81010010228080d2030080d2080780d2010000d4e10313aae20314aa080880d2010000d4c00f80d2"
        "a80b80d2010000d4"
    ),
}


@contextmanager
def marked(path: Path, mark: bytes) -> Iterator[Path]:
    """A copy of a program with the mark, in memory; the path is for processes of this worker."""
    content = bytearray(path.read_bytes())
    content[_MARK_AT : _MARK_AT + _MARK_SIZE] = mark
    with _in_memory(path.name, bytes(content)) as copy:
        yield copy


def new_mark() -> bytes:
    """A mark that no program has by accident: compilers leave zeros there."""
    return b"".join(bytes([1 + secrets.randbelow(255)]) for _ in range(_MARK_SIZE))


def denier(architecture: str, record: str = RECORD) -> bytes:
    """The program that is started in place of others, for this machine's CPU."""
    return executable(architecture, _DENY[architecture] + record.encode() + b"\0")


@contextmanager
def only(platform: Platform, mark: bytes) -> Iterator[None]:
    """Deny programs of all platforms but one, and of this machine all without the mark.

    In the worker's own binfmt_misc. Meanwhile nothing without the mark can be started.
    Raises OSError as the kernel gives it.
    """
    host = Platform.host().architecture
    content = bytearray(denier(host))
    content[_MARK_AT : _MARK_AT + _MARK_SIZE] = mark
    with ExitStack() as stack:
        interpreter = stack.enter_context(_in_memory("deny", bytes(content)))
        others = [name for name in FORMATS if name not in {host, platform.architecture}]
        formats = [_denial(FORMATS[name]) for name in others]
        if platform.architecture != host:
            formats += _unmarked(FORMATS[host], mark)
        for each in formats:
            binfmt.register(each, interpreter, flags="F")
            stack.callback(binfmt.unregister, each)
        yield


def _denial(known: ElfFormat) -> ElfFormat:
    return ElfFormat(f"{known.qemu_cpu}-denied", *_without_identification(known))


def _unmarked(known: ElfFormat, mark: bytes) -> Iterator[ElfFormat]:
    """For each bit of the mark, a format of the programs in which it is the other way."""
    for bit in range(8 * _MARK_SIZE):
        place, value = _MARK_AT + bit // 8, 1 << bit % 8
        magic, mask = map(bytearray, _without_identification(known))
        mask[place] = value
        magic[place] = ~mark[bit // 8] & value
        yield ElfFormat(f"{known.qemu_cpu}-denied-{bit}", bytes(magic), bytes(mask))


def _without_identification(known: ElfFormat) -> tuple[bytes, bytes]:
    """Magic and mask without what the kernel does not look at, and a liar may set as it likes.

    That is all but ELF's magic, type and machine (`elf_check_arch`). MIPS alone needs the rest,
    to tell its word sizes apart, and is no CPU that we run on.
    """
    cut = _UNREAD if known.magic[_MACHINE] not in _AMBIGUOUS else slice(0)
    magic, mask = bytearray(known.magic), bytearray(known.mask)
    magic[cut] = mask[cut] = bytes(len(mask[cut]))
    return bytes(magic), bytes(mask)


@contextmanager
def _in_memory(name: str, content: bytes) -> Iterator[Path]:
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)
