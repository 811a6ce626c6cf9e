"""The table's bytes, read back the way the helper in C reads them."""

import os
import re
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.emulation import table
from amphora.emulation.rules import Rule
from amphora.emulation.table import Handoff, write_table

NATIVE = Path(__file__).parents[3] / "native"
#: Type, name and the first word of the comment of each field of a program.
HEADER = re.findall(
    r"^ +uint(32|64)_t (\w+);(?: +/\* (\w+))?",
    (NATIVE / "handoff.h").read_text().split("struct handoff_program {")[1].split("};")[0],
    re.MULTILINE,
)
LAYOUT = struct.Struct("<" + "".join({"32": "I", "64": "Q"}[bits] for bits, _, _ in HEADER))
FIELDS = [name for _, name, _ in HEADER]
TEXTS = [name for _, name, kind in HEADER if kind == "text"]
LISTS = [name for _, name, kind in HEADER if kind == "list"]

#: Those that are in the table as they are in the rule.
SIMPLE_LISTS = set(LISTS) - {"loader_options", "environment", "never_with_variable"}

DEVICE = os.makedev(8, 3)


def status(inode, size=1000, changed=5 * 10**9 + 7):
    return SimpleNamespace(st_ino=inode, st_size=size, st_ctime_ns=changed, st_dev=DEVICE)


def handoff(inode, counterpart="/native/program", rule=None):
    options = ("--inhibit-cache", "--library-path", "/native/lib")
    return Handoff(status(inode), counterpart, "/native/ld.so", options, rule or Rule(programs=[]))


class Read:
    """A table as the helper sees it."""

    def __init__(self, content):
        self.content = content
        magic, self.buckets, *self.device, _ = struct.unpack_from("<Q4I", content)
        assert magic.to_bytes(8, "little").startswith(b"AHANDOF")
        assert content.endswith(b"\0\0")

    def find(self, inode):
        for probe in range(self.buckets):
            bucket = (inode + probe) & (self.buckets - 1)
            values = LAYOUT.unpack_from(self.content, 24 + bucket * LAYOUT.size)
            row = dict(zip(FIELDS, values, strict=True))
            if row["inode"] == 0:
                return None
            if row["inode"] == inode:
                return SimpleNamespace(
                    **row
                    | {name: self.text(row[name]) for name in TEXTS}
                    | {name: self.list(row[name]) for name in LISTS}
                )
        return None

    def text(self, offset):
        return os.fsdecode(self.content[offset : self.content.index(b"\0", offset)])

    def list(self, offset):
        found = []
        while text := self.text(offset):
            found.append(text)
            offset += len(os.fsencode(text)) + 1
        return found


def test_what_goes_in_comes_out():
    rule = Rule(
        programs=["usr/bin/program"],
        replaced_after="-plugin",
        replacement="/native/plugin.so",
        environment=["A=b c"],
        never_with_variable=["A", "B"],
        **{name: [f"a {name}", f"\udcff{name}"] for name in SIMPLE_LISTS},
    )
    read = Read(write_table([handoff(4711, "/native/\udcffodd", rule)]))
    assert read.device == [8, 3]
    found = read.find(4711)
    assert (found.size, found.changed_seconds, found.changed_nanoseconds) == (1000, 5, 7)
    assert found.path == "/native/\udcffodd"
    assert found.loader == "/native/ld.so"
    assert found.loader_options == ["--inhibit-cache", "--library-path", "/native/lib"]
    for name in (*SIMPLE_LISTS, "environment"):
        assert getattr(found, name) == getattr(rule, name), name
    assert found.never_with_variable == ["A=", "B="]
    assert (found.replaced_after, found.replacement) == ("-plugin", "/native/plugin.so")


def test_an_empty_table_finds_nothing():
    read = Read(write_table([]))
    assert read.buckets == 16
    assert all(read.find(inode) is None for inode in range(1, 40))


def test_inodes_that_fall_into_the_same_bucket_are_all_found():
    inodes = [3 + 64 * number for number in range(20)]
    read = Read(write_table([handoff(inode, f"/native/{inode}") for inode in inodes]))
    assert [read.find(inode).path for inode in inodes] == [f"/native/{inode}" for inode in inodes]
    assert read.find(3 + 64 * 20) is None


@given(st.sets(st.integers(1, (1 << 64) - 1), max_size=200), st.integers(1, (1 << 64) - 1))
def test_every_inode_is_found_and_no_other(inodes, other):
    read = Read(write_table([handoff(inode, f"/{inode}") for inode in inodes]))
    assert read.buckets & (read.buckets - 1) == 0
    assert read.buckets >= 2 * len(inodes)
    for inode in inodes:
        assert read.find(inode).path == f"/{inode}"
    assert (read.find(other) is not None) == (other in inodes)


def test_equal_texts_are_stored_once():
    one = len(write_table([handoff(1)]))
    assert len(write_table([handoff(inode) for inode in range(1, 8)])) == one


def test_the_layout_is_that_of_the_header_in_c(tmp_path):
    """A C program prints sizes and offsets as the compiler that compiles the helper has them."""
    source = tmp_path / "layout.c"
    offsets = "\n".join(
        f'printf("%zu ", offsetof(struct handoff_program, {name}));' for name in FIELDS
    )
    source.write_text(
        f"""
        #include <stddef.h>
        #include <stdio.h>
        #include "handoff.h"
        int main(void) {{
            printf("%llx %zu %zu %zu ", HANDOFF_MAGIC, sizeof(struct handoff_header),
                   sizeof(struct handoff_program), offsetof(struct handoff_header, buckets));
            {offsets}
            return 0;
        }}
        """
    )
    program = tmp_path / "layout"
    subprocess.run(["gcc", "-I", NATIVE, "-o", program, source], check=True)
    magic, header, size, buckets, *places = subprocess.check_output([program], text=True).split()
    assert int(magic, 16) == int.from_bytes(table.LAYOUT, "little")
    assert int(header) == table._HEADER.size
    assert int(size) == table._PROGRAM.size
    assert int(buckets) == 8
    widths = [int(bits) // 8 for bits, _, _ in HEADER]
    assert list(map(int, places)) == [sum(widths[:number]) for number in range(len(widths))]


@pytest.mark.parametrize("changes", [{}, {"never_with": ["-v"], "never_with_prefix": ["--he"]}])
def test_conditions_are_told_in_words(changes):
    text = handoff(1, rule=Rule(programs=[], **changes)).conditions
    assert text == ("not with -v; not with --he…" if changes else "")
