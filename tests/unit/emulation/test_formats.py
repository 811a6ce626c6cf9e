"""Formats, registration lines and probe programs, byte for byte."""

import re
from pathlib import Path

import pytest

from amphora.core.platform import ARCHITECTURES, Platform
from amphora.emulation.binfmt import registration
from amphora.emulation.formats import FORMATS, ElfFormat, format_of
from amphora.emulation.probe import WITNESS, program, runs
from amphora.system.elf import parse_header

#: Magic and mask of QEMU's scripts/qemu-binfmt-conf.sh.
QEMU = {
    "amd64": (
        "7f454c4602010100000000000000000002003e00",
        "fffffffffffefe00fffffffffffffffffeffffff",
    ),
    "386": (
        "7f454c4601010100000000000000000002000300",
        "fffffffffffefe00fffffffffffffffffeffffff",
    ),
    "arm64": (
        "7f454c460201010000000000000000000200b700",
        "ffffffffffffff00fffffffffffffffffeffffff",
    ),
    "arm": (
        "7f454c4601010100000000000000000002002800",
        "ffffffffffffff00fffffffffffffffffeffffff",
    ),
    "ppc64le": (
        "7f454c4602010100000000000000000002001500",
        "ffffffffffffff00fffffffffffffffffeffff00",
    ),
    "s390x": (
        "7f454c4602020100000000000000000000020016",
        "ffffffffffffff00fffffffffffffffffffeffff",
    ),
    "riscv64": (
        "7f454c460201010000000000000000000200f300",
        "ffffffffffffff00fffffffffffffffffeffffff",
    ),
    "mips64le": (
        "7f454c4602010100000000000000000002000800",
        "ffffffffffffff0000fffffffffffffffeffffff",
    ),
    "mips64": (
        "7f454c4602020100000000000000000000020008",
        "ffffffffffffff0000fffffffffffffffffeffff",
    ),
    "mips": (
        "7f454c46010201000000000000000000000200080000000100000000000000000000000000000000",
        "ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020",
    ),
    "mipsle": (
        "7f454c46010101000000000000000000020008000100000000000000000000000000000000000000",
        "ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000",
    ),
    "ppc64": (
        "7f454c4602020100000000000000000000020015",
        "ffffffffffffff00fffffffffffffffffffeffff",
    ),
    "loong64": (
        "7f454c4602010100000000000000000002000201",
        "fffffffffffffffc00fffffffffffffffeffffff",
    ),
}

#: Bytes whose masks are ours: the version and data encoding of x86, which QEMU lets be 0;
#: the ABI of LoongArch; the upper half of PowerPC's e_machine.
OUR_OWN = {"amd64": {5, 6}, "386": {5, 6}, "loong64": {7, 8}, "ppc64le": {19}}


def test_the_table_covers_what_qemu_has_values_for():
    assert FORMATS.keys() == QEMU.keys()
    assert FORMATS.keys() <= ARCHITECTURES


@pytest.mark.parametrize("architecture", FORMATS)
def test_magic_and_mask_are_those_of_qemu(architecture):
    magic, mask = map(bytes.fromhex, QEMU[architecture])
    ours = FORMATS[architecture]
    assert ours.magic == magic
    assert len(ours.mask) == len(mask)
    different = {at for at in range(len(mask)) if ours.mask[at] != mask[at]}
    assert different <= OUR_OWN.get(architecture, set())


@pytest.mark.parametrize("architecture", FORMATS)
def test_programs_match_their_own_format_only(architecture):
    """Executable or position-independent, of any ABI; never two formats at once."""
    for kind in (2, 3):
        for abi in (0, 3):
            start = bytearray(program(architecture))
            start[7] = abi
            start[16 if start[5] == 1 else 17] = kind
            assert matching(bytes(start)) == [architecture]


def matching(start):
    """The architectures the kernel would take a file for."""
    return [name for name, wanted in FORMATS.items() if wanted.matches(start)]


@pytest.mark.parametrize("start", [b"#!/bin/sh\n" + bytes(10), bytes(20), b"\x7fELF" + bytes(16)])
def test_other_files_match_no_format(start):
    assert matching(start) == []


def test_only_linux_has_formats():
    assert format_of(Platform.parse("linux/arm/v6")) is FORMATS["arm"]
    assert format_of(Platform.parse("windows/amd64")) is None
    assert not runs(Platform.parse("windows/amd64"))


def test_the_registration_line_is_the_kernels():
    """`:name:type:offset:magic:mask:interpreter:flags`, bytes as \\xHH."""
    line = registration(
        ElfFormat("test", b"\x7fE:\\", b"\xff\x00\xff\xff"), Path("/usr/bin/qemu-test")
    )
    assert line == (rb":qemu-test:M::\x7f\x45\x3a\x5c:\xff\x00\xff\xff:/usr/bin/qemu-test:FPC")


@pytest.mark.parametrize("architecture", FORMATS)
def test_every_line_is_one_the_kernel_can_take(architecture):
    line = registration(FORMATS[architecture], Path("/usr/bin/qemu"))
    byte = rb"(?:\\x[0-9a-f]{2})"
    assert re.fullmatch(
        rb":[\w-]+(?::M::%s{20}:%s{20}|:M::%s{40}:%s{40}):/[^:]+:[POCF]+" % ((byte,) * 4), line
    )
    assert len(line) <= 1920


@pytest.mark.parametrize("architecture", FORMATS)
def test_probe_programs_are_elf_files_for_their_cpu(architecture):
    header = parse_header(program(architecture))
    assert header is not None
    assert header.architecture == architecture
    assert len(program(architecture)) < 150


def test_this_cpu_runs_its_own_probe():
    assert runs(Platform.host())
    assert WITNESS not in {0, 1, 2, 126, 127, 255}
