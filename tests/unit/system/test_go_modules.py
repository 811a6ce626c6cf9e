"""What Go programs say they were linked from."""

import pytest
from elves import elf
from hypothesis import given
from hypothesis import strategies as st

from amphora.system.go_modules import GoModule, read_modules

MODULES = (
    "mod\texample.org/program\t(devel)\t\n"
    "dep\tgithub.com/pkg/errors\tv0.9.1\th1:FEBL\n"
    "dep\texample.org/old\tv1.0.0\n"
    "=>\texample.org/new\tv1.2.0+incompatible\th1:x\n"
)


@pytest.mark.parametrize("cpu", ["amd64", "386", "s390x"])
def test_modules_with_what_replaced_them_and_the_standard_library(cpu):
    assert read_modules(elf(cpu, modules=MODULES)) == (
        GoModule("stdlib", "1.24.1"),
        GoModule("example.org/program", ""),
        GoModule("github.com/pkg/errors", "v0.9.1"),
        GoModule("example.org/new", "v1.2.0+incompatible"),
    )


def test_what_is_no_go_program_has_none():
    assert read_modules(elf(loader=True, needed=("libc.so.6",))) == ()
    assert read_modules(b"#!/bin/sh\nexec true with arguments\n") == ()
    assert read_modules(b"") == ()


def test_lines_that_mean_nothing_are_none():
    assert read_modules(elf(modules="dep\n=>\tonly/new\tv2\ndep\t\tv1\nmod")) == (
        GoModule("stdlib", "1.24.1"),
        GoModule("only/new", "v2"),
    )


@given(st.data())
def test_a_damaged_program_is_read_or_not_but_never_more(data):
    content = bytearray(elf(modules=MODULES))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    assert all(isinstance(each.path, str) for each in read_modules(bytes(content)))
