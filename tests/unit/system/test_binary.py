"""What ELF files ask for: of real files, of crafted ones, and of files that mean harm."""

import struct
from pathlib import Path

import pytest
from elves import CPUS, elf
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.platform import Platform
from amphora.system.binary import Binary, read_binary


def test_a_real_program_says_what_it_needs():
    found = read_binary(Path("/bin/sh").resolve().read_bytes())
    assert found.architecture == Platform.host().architecture
    assert "ld-linux" in found.interpreter
    assert "libc.so.6" in found.needed
    assert (found.is_loaded, found.dynamic, found.damaged) == (True, True, False)


@pytest.mark.parametrize("cpu", CPUS)
def test_every_field_of_every_cpu(cpu):
    content = elf(
        cpu, loader=True, needed=("a", "b"), soname="c", rpath="/d:/e", runpath="/f::/g", system=3
    )
    found = read_binary(content)
    assert found.architecture == cpu
    assert (found.kind, found.system, found.flags) == (3, 3, CPUS[cpu][3])
    assert (found.interpreter, found.needed, found.soname) == (CPUS[cpu][4], ("a", "b"), "c")
    assert (found.rpath, found.runpath) == (("/d", "/e"), ("/f", "/g"))


@pytest.mark.parametrize("cpu", ["386", "amd64"])
@pytest.mark.parametrize("level", [0, 1, 2, 3, 4])
def test_the_level_of_x86(cpu, level):
    assert read_binary(elf(cpu, isa=level)).isa == level


@pytest.mark.parametrize(("tag", "expected"), [(4, 5), (9, 6), (10, 7), (14, 8), (22, 8)])
def test_the_architecture_of_arm(tag, expected):
    assert read_binary(elf("arm", arm=tag)).arm == expected


def test_the_settings_of_go():
    assert read_binary(elf(go="GOAMD64=v3")).go == {"GOOS": "linux", "GOAMD64": "v3"}
    assert read_binary(elf()).go == {}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n", bytes(100)])
def test_what_is_no_elf_file(content):
    assert read_binary(content) is None


def test_of_many_segments_that_all_hold_the_whole_file_only_some_are_searched():
    """Searching each from end to end would take an hour."""
    count = 60000
    header = bytearray(elf())[:64]
    struct.pack_into("<H", header, 56, count)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, 0, 0, 60 << 20, 60 << 20, 0x1000)
    assert read_binary(bytes(header) + segment * count + bytes(60 << 20)) is not None


@given(st.data())
def test_any_change_of_any_byte_is_survived(data):
    cpu = data.draw(st.sampled_from(["amd64", "arm", "s390x"]))
    content = bytearray(elf(cpu, loader=True, needed=("a",), isa=2, go="GOARM=7", arm=10))
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(changes, min_size=1, max_size=8)):
        content[place] = value
    found = read_binary(bytes(content[: data.draw(st.integers(0, len(content)))]))
    assert found is None or isinstance(found, Binary)
