"""From a command to the ELF file that will be executed."""

import struct

import pytest

from amphora.core.errors import VerificationError
from amphora.verify.program import Program, find_program


def elf(machine, *, bits=64, little=True):
    """The start of an ELF file for a CPU."""
    order = "<" if little else ">"
    start = b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1]) + bytes(9)
    return start + struct.pack(f"{order}HH", 2, machine) + bytes(100)


FILES = {
    "bin/sh": elf(183),
    "bin/early": elf(183),
    "usr/bin/tool": elf(62),
    "usr/bin/early": elf(62),
    "script": b"#!/bin/sh\nexit\n",
    "usr/bin/twice": b"#! /script  -x\n",
    "by-name": b"#!tool\n",
    "env": b"#!/usr/bin/tool python3\n",
    "unfinished": b"#!/bin/sh",
    "none": b"#!\n",
    "nobody": b"#!/bin/nobody\n",
    "loop": b"#!/loop\n",
    "text": b"hello\n",
    "empty": b"",
    "short": b"\x7fELF",
    "strange": elf(9999),
    "power-big": elf(21, little=False),
    "power-little": elf(21),
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "link").symlink_to("/script")
    (root / "merged").symlink_to("usr/bin")
    (root / "escape").symlink_to("../../outside")
    (tmp_path / "outside").write_bytes(elf(62))
    return root


def find(root, name, path="/nowhere:/usr/bin:/bin", directory="/usr"):
    return find_program(root, [name, "argument"], {"PATH": path}, directory)


@pytest.mark.parametrize(
    ("name", "path", "architecture"),
    [
        ("/bin/sh", "/bin/sh", "arm64"),
        ("sh", "/bin/sh", "arm64"),
        ("early", "/usr/bin/early", "amd64"),
        ("bin/tool", "/usr/bin/tool", "amd64"),
        ("./bin/tool", "/usr/./bin/tool", "amd64"),
        ("/merged/tool", "/merged/tool", "amd64"),
        ("/script", "/bin/sh", "arm64"),
        ("twice", "/bin/sh", "arm64"),
        ("/link", "/bin/sh", "arm64"),
        ("/by-name", "/usr/bin/tool", "amd64"),
        ("/env", "/usr/bin/tool", "amd64"),
        ("/unfinished", "/bin/sh", "arm64"),
        ("/strange", "/strange", None),
        ("/power-big", "/power-big", "ppc64"),
        ("/power-little", "/power-little", "ppc64le"),
    ],
)
def test_what_is_executed(root, name, path, architecture):
    assert find(root, name) == Program(path, architecture)


def test_without_path_the_default_one_is_searched(root):
    assert find_program(root, ["early"], {}, "/") == Program("/usr/bin/early", "amd64")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "the image has no such file"),
        ("/missing", "the image has no such file"),
        ("/bin", "the image has no such file"),
        ("script", "the image has no such file"),
        ("/escape", "the image has no such file"),
        ("/nobody", "the image has no such file"),
        ("/none", "its #! line names no interpreter"),
        ("/loop", "its interpreters are scripts themselves, without end"),
        ("/text", "it is neither an ELF program nor a script"),
        ("/empty", "it is neither an ELF program nor a script"),
        ("/short", "it is neither an ELF program nor a script"),
    ],
)
def test_what_cannot_be_executed(root, name, why):
    with pytest.raises(VerificationError) as caught:
        find(root, name)
    assert caught.value.why == why
