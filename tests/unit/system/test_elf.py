"""ELF headers: programs of this machine, the emulators, and bytes that only look the part."""

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.platform import ARCHITECTURES, Platform
from amphora.system.elf import parse_header, read_header, word_size


def header(machine, *, bits=64, order="<"):
    identification = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    return identification + struct.pack(f"{order}HH", 2, machine)


def test_this_interpreter_is_for_this_cpu():
    found = read_header(Path(sys.executable))
    assert found is not None
    assert found.architecture == Platform.host().architecture


@pytest.mark.parametrize(
    ("start", "architecture"),
    [
        (header(3, bits=32), "386"),
        (header(8, bits=32, order=">"), "mips"),
        (header(8, bits=32), "mipsle"),
        (header(8, order=">"), "mips64"),
        (header(8), "mips64le"),
        (header(21, order=">"), "ppc64"),
        (header(21), "ppc64le"),
        (header(22, order=">"), "s390x"),
        (header(40, bits=32), "arm"),
        (header(62), "amd64"),
        (header(183), "arm64"),
        (header(243), "riscv64"),
        (header(258), "loong64"),
    ],
)
def test_architectures_are_told_by_machine_word_size_and_byte_order(start, architecture):
    assert architecture in ARCHITECTURES
    assert parse_header(start).architecture == architecture


@pytest.mark.parametrize(
    "start",
    [
        header(243, bits=32),  # riscv32
        header(22, bits=32, order=">"),  # s390
        header(62, bits=32),  # x32
        header(183, order=">"),  # arm64be
        header(40, bits=32, order=">"),  # armbe
        header(0xFFFF),
    ],
)
def test_an_elf_file_of_a_cpu_without_a_name_is_still_an_elf_file(start):
    found = parse_header(start)
    assert found is not None
    assert found.architecture is None


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\x7fELF",
        header(62)[:19],
        b"\x7fELG" + header(62)[4:],
        b"\x7fELF\x00" + header(62)[5:],
        b"\x7fELF\x03" + header(62)[5:],
        b"\x7fELF\x02\x00" + header(62)[6:],
        b"\x7fELF\x02\x03" + header(62)[6:],
        b"#!/bin/sh\n" + bytes(30),
    ],
)
def test_what_is_no_elf_header_is_none(start):
    assert parse_header(start) is None


@given(st.binary(max_size=40) | st.binary(max_size=36).map(b"\x7fELF".__add__))
def test_any_bytes_can_be_read(start):
    found = parse_header(start)
    assert found is None or found.architecture is None or found.architecture in ARCHITECTURES


def test_a_script_is_no_elf_file(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert read_header(script) is None


@pytest.mark.parametrize(
    ("architecture", "bits"),
    [("386", 32), ("arm", 32), ("arm64", 64), ("s390x", 64), ("vax", None)],
)
def test_the_size_of_a_word(architecture, bits):
    assert word_size(architecture) == bits
