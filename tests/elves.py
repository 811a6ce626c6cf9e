"""ELF files made by hand, honest and lying: headers, texts, notes, and no code."""

import struct
from dataclasses import dataclass

BASE = 0x400000
LOAD, DYNAMIC, INTERPRETER, NOTE = 1, 2, 3, 4
NULL, NEEDED, STRTAB, SONAME, RPATH, RUNPATH = 0, 1, 5, 14, 15, 29

#: (machine, bits, byte order, e_flags, loader) of an honest program of glibc's.
CPUS = {
    "386": (3, 32, "<", 0, "/lib/ld-linux.so.2"),
    "amd64": (62, 64, "<", 0, "/lib64/ld-linux-x86-64.so.2"),
    "arm": (40, 32, "<", 0x05000400, "/lib/ld-linux-armhf.so.3"),
    "arm64": (183, 64, "<", 0, "/lib/ld-linux-aarch64.so.1"),
    "loong64": (258, 64, "<", 0x43, "/lib64/ld-linux-loongarch-lp64d.so.1"),
    "mips": (8, 32, ">", 0x50001005, "/lib/ld.so.1"),
    "mips64le": (8, 64, "<", 0x60000007, "/lib64/ld.so.1"),
    "mipsle": (8, 32, "<", 0x50001005, "/lib/ld.so.1"),
    "ppc64": (21, 64, ">", 1, "/lib64/ld64.so.1"),
    "ppc64le": (21, 64, "<", 2, "/lib64/ld64.so.2"),
    "riscv64": (243, 64, "<", 5, "/lib/ld-linux-riscv64-lp64d.so.1"),
    "s390x": (22, 64, ">", 0, "/lib/ld64.so.1"),
}


@dataclass
class _Layout:
    """Texts and the places that point at them."""

    content: bytes = b"\0"

    def add(self, text: str) -> int:
        at = len(self.content)
        self.content += text.encode() + b"\0"
        return at


def elf(
    cpu="amd64",
    *,
    kind=3,
    system=0,
    machine=None,
    bits=None,
    order=None,
    flags=None,
    loader=None,
    needed=(),
    soname="",
    rpath="",
    runpath="",
    isa=0,
    go="",
    modules="",
    arm=None,
):
    """An ELF file; dynamic if it names a loader or a library. `loader` True is the CPU's own."""
    known = CPUS[cpu]
    machine, bits, order = machine or known[0], bits or known[1], order or known[2]
    flags = known[3] if flags is None else flags
    loader = known[4] if loader is True else loader or ""
    wide = bits == 64
    texts = _Layout()
    tags = [(NEEDED, texts.add(name)) for name in needed]
    tags += [
        (tag, texts.add(text))
        for tag, text in ((SONAME, soname), (RPATH, rpath), (RUNPATH, runpath))
        if text
    ]
    parts = {LOAD: texts.content}
    if loader:
        parts[INTERPRETER] = loader.encode() + b"\0"
    if isa:
        parts[NOTE] = _isa_note(isa, wide)
    start, size = (64, 56) if wide else (52, 32)
    count = len(parts) + bool(tags or loader)
    position = start + count * size
    texts_at = BASE + position
    body, segments = b"", []
    if tags or loader:
        layout = order + ("qQ" if wide else "iI")
        dynamic = [*tags, (STRTAB, texts_at), (NULL, 0)]
        parts[DYNAMIC] = b"".join(struct.pack(layout, *tag) for tag in dynamic)
    for part, content in parts.items():
        body_at = position + len(body)
        body += content + bytes(-len(content) % 8)
        segments.append((part, body_at, len(content)))
    if go or modules:
        body += _go_info(go, modules)
    total = position + len(body)
    attributes_at = total
    sections = b""
    if arm is not None:
        attributes = _arm_attributes(arm, order)
        body += attributes
        fields = (0, 0x70000003, 0, 0, attributes_at, len(attributes), 0, 0, 1, 0)
        sections = struct.pack(f"{order}10I", *fields)
    sections_at = position + len(body) if sections else 0
    identification = (
        b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1, system]) + bytes(8)
    )
    header = identification + struct.pack(
        f"{order}HHI{'QQQ' if wide else 'III'}I6H",
        *(kind, machine, 1, BASE, start, sections_at, flags, start, size, count),
        *((40, 1, 0) if sections else (0, 0, 0)),
    )
    table = b"".join(
        _segment(order, wide, part, 0 if part == LOAD else at, total if part == LOAD else length)
        for part, at, length in segments
    )
    return header + table + body + sections


def _segment(order, wide, kind, offset, length):
    address = BASE + offset
    if wide:
        fields = (kind, 7, offset, address, address, length, length, 0x1000)
        return struct.pack(order + "IIQQQQQQ", *fields)
    fields = (kind, offset, address, address, length, length, 7, 0x1000)
    return struct.pack(order + "IIIIIIII", *fields)


def _isa_note(level, wide):
    """GNU_PROPERTY_X86_ISA_1_NEEDED: a bit for each level up to this one."""
    content = struct.pack("<III", 0xC0008002, 4, (1 << level) - 1) + (bytes(4) if wide else b"")
    return struct.pack("<III", 4, len(content), 5) + b"GNU\0" + content


def _go_info(setting, modules):
    """A Go program's build info: the version and the module information, lengths in front."""
    lines = f"path\tmain\n{modules}build\tGOOS=linux\nbuild\t{setting}\n"
    text = b"x" * 16 + lines.encode() + b"y" * 16
    version = b"go1.24.1"
    assert len(text) < 1 << 14
    length = bytes([len(text) & 0x7F | 0x80, len(text) >> 7])
    inline = b"\xff Go buildinf:" + b"\x08\x02" + bytes(16)
    return inline + bytes([len(version)]) + version + length + text


def _arm_attributes(cpu_arch, order):
    """Tag_CPU_raw_name and Tag_CPU_arch of the whole file."""
    attributes = b"\x05name\0" + bytes([6, cpu_arch]) + bytes([28, 1])
    inner = b"\x01" + struct.pack(order + "I", len(attributes) + 5) + attributes
    vendor = b"aeabi\0" + inner
    return b"A" + struct.pack(order + "I", len(vendor) + 4) + vendor


def amd64_program(status=0):
    """The smallest program that Linux starts on amd64: it exits with a status.

    One header, one segment; mov edi,STATUS; mov eax,60; syscall.
    """
    code = b"\xbf" + struct.pack("<i", status) + b"\xb8\x3c\x00\x00\x00\x0f\x05"
    size = 120 + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, 62, 1, BASE + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return header + segment + code
