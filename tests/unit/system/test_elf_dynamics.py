"""What a loader reads of a program: of real files, and of files that mean harm."""

import resource
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.platform import Platform
from amphora.system.elf import Dynamics, read_dynamics

LOAD, DYNAMIC, INTERPRETER = 1, 2, 3
NULL, NEEDED, STRTAB = 0, 1, 5
BASE = 0x400000
INTERPRETER_TEXT = b"/lib64/ld.so\0"


def crafted(
    needed=(b"liba.so", b"libb.so"), *, bits=64, order="<", machine=62, interpreter=INTERPRETER_TEXT
):
    """A program of headers, texts and a dynamic section, as a linker would lay them out."""
    wide = bits == 64
    start, size = (64, 56) if wide else (52, 32)
    texts = b"\0" + b"".join(name + b"\0" for name in needed)
    texts_at = start + 3 * size
    interpreter_at = texts_at + len(texts)
    dynamic_at = interpreter_at + len(interpreter)
    offsets = [texts.index(b"\0" + name) + 1 for name in needed]
    tags = [(NEEDED, offset) for offset in offsets] + [(STRTAB, BASE + texts_at), (NULL, 0)]
    dynamic = b"".join(struct.pack(order + ("qQ" if wide else "iI"), *tag) for tag in tags)
    total = dynamic_at + len(dynamic)

    def segment(kind, offset, length):
        if wide:
            fields = (kind, 5, offset, BASE + offset, BASE + offset, length, length, 0x1000)
            return struct.pack(order + "IIQQQQQQ", *fields)
        fields = (kind, offset, BASE + offset, BASE + offset, length, length, 5, 0x1000)
        return struct.pack(order + "IIIIIIII", *fields)

    header = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    header += struct.pack(
        f"{order}HHI{'QQQ' if wide else 'III'}I6H",
        *(3, machine, 1, BASE, start, 0, 0, start, size, 3, 0, 0, 0),
    )
    return (
        header
        + segment(LOAD, 0, total)
        + segment(INTERPRETER, interpreter_at, len(interpreter))
        + segment(DYNAMIC, dynamic_at, len(dynamic))
        + texts
        + interpreter
        + dynamic
    )


@pytest.fixture
def read(tmp_path):
    def of(content):
        path = tmp_path / "program"
        path.write_bytes(content)
        return read_dynamics(path)

    return of


def test_a_real_program_names_its_loader_and_libraries():
    found = read_dynamics(Path("/bin/sh").resolve())
    assert found.architecture == Platform.host().architecture
    assert "ld-linux" in found.interpreter
    assert "libc.so.6" in found.needed


def test_a_real_library_names_those_it_needs():
    loaded = Path("/proc/self/maps").read_text().split()
    library = next(Path(word) for word in loaded if "/libm.so" in word or "/libz.so" in word)
    assert "libc.so.6" in read_dynamics(library).needed


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_every_word_size_and_byte_order(read, bits, order):
    machine, architecture = {
        (32, "<"): (40, "arm"),
        (32, ">"): (8, "mips"),
        (64, "<"): (243, "riscv64"),
        (64, ">"): (22, "s390x"),
    }[bits, order]
    found = read(crafted(bits=bits, order=order, machine=machine))
    assert found == Dynamics(architecture, "/lib64/ld.so", ("liba.so", "libb.so"))


def test_a_program_without_a_dynamic_section_is_static(read):
    content = bytearray(crafted())
    for number in (1, 2):
        struct.pack_into("<I", content, 64 + number * 56, 0)
    assert read(content) == Dynamics("amd64", "", ())


#: Where fields of the crafted 64-bit program are, and values that lead astray.
HARMFUL = {
    "program headers behind the end": (32, "<Q", 1 << 40),
    "program headers beyond any file": (32, "<Q", (1 << 64) - 8),
    "too many program headers": (56, "<H", 0xFFFF),
    "interpreter behind the end": (64 + 56 + 8, "<Q", 1 << 40),
    "interpreter beyond any file": (64 + 56 + 8, "<Q", (1 << 64) - 1),
    "dynamic section behind the end": (64 + 112 + 8, "<Q", 1 << 40),
    "dynamic section beyond any file": (64 + 112 + 8, "<Q", (1 << 64) - 1),
    "nothing is loaded": (64, "<I", 0),
    "loaded elsewhere": (64 + 16, "<Q", BASE << 8),
}


@pytest.mark.parametrize(("place", "form", "value"), HARMFUL.values(), ids=HARMFUL)
def test_offsets_that_lead_out_of_the_file(read, place, form, value):
    content = bytearray(crafted())
    struct.pack_into(form, content, place, value)
    assert read(content) is None


def test_a_name_without_an_end(read):
    assert read(crafted(interpreter=b"x" * 4000 + b"\0")).interpreter == "x" * 4000
    assert read(crafted(interpreter=b"x" * 5000 + b"\0")) is None


def test_a_dynamic_section_without_an_end(read):
    content = crafted()
    assert read(content[:-16]) is None
    assert read(content[:-16] + struct.pack("<qQ", STRTAB, 1) * 5000) is None


@pytest.mark.parametrize("length", [0, 1, 19, 20, 63, 64, 65, 120])
def test_a_program_cut_short(read, length):
    assert read(crafted()[:length]) is None


def test_a_terabyte_of_nothing_takes_no_memory(tmp_path):
    """A sparse file costs its maker nothing; neither may it cost us."""
    path = tmp_path / "program"
    content = bytearray(crafted())
    # As many entries as the file has room for, none of them the last.
    struct.pack_into("<Q", content, 64 + 112 + 32, 1 << 40)
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_dynamics(path).needed == ("liba.so", "libb.so")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


@given(st.data())
def test_any_change_of_any_byte_is_survived(tmp_path_factory, data):
    content = bytearray(crafted(bits=data.draw(st.sampled_from([32, 64]))))
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(changes, min_size=1, max_size=8)):
        content[place] = value
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.getbasetemp() / "elf-changed"
    path.write_bytes(content[:cut])
    found = read_dynamics(path)
    assert found is None or isinstance(found, Dynamics)


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "elf-any"
    path.write_bytes(b"\x7fELF\x02\x01\x01" + content)
    found = read_dynamics(path)
    assert found is None or isinstance(found, Dynamics)
