"""The account of a step: counted from lines that any program of the step may have written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.emulation.account import Account


def account(*lines):
    counted = Account()
    for line in lines:
        counted.count(line[:1].encode(), line[1:])
    return counted


def test_a_summary_names_what_was_emulated_most():
    lines = ["N/bin/sh"] * 97 + [f"Q/bin/{name}" for name in "aaabbcdefg"]
    assert account(*lines).summary == (
        "91% of 107 programs handed off; emulated: /bin/a 3, /bin/b 2, /bin/c 1, /bin/d 1, /bin/e 1"
    )
    assert account("N/bin/sh").summary == "100% of 1 programs handed off"
    assert account().summary == "0% of 0 programs handed off"


def test_what_was_refused_after_all_counts_as_emulated():
    counted = account("N/a", "N/a", "R/a", "Q/a", "R/never")
    assert dict(counted.handed_off) == {"/a": 1}
    assert counted.emulated == {"/a": 1}
    assert counted.share == 0.5
    assert not account("N/a", "R/a").handed_off


@pytest.mark.parametrize("text", ["\033[2J", "\u202eexe", "a\tb", "\x00", "\ud800"])
def test_names_are_fit_to_be_shown(text):
    (name,) = account(f"Q{text}").emulated
    assert name.isprintable()
    assert "?" in name


def test_memory_is_bounded_by_the_number_of_names():
    counted = account(*(f"{'QN'[number % 2]}/{number}" for number in range(30_000)))
    assert len(counted.handed_off) + len(counted.emulated) <= 10_002
    assert counted.handed_off.total() == counted.emulated.total() == 15_000
    counted.count(b"N", "/1")
    assert counted.handed_off["/1"] == 2, "names that are known are still counted"


@given(st.lists(st.binary(max_size=30)))
def test_any_line_is_survived(lines):
    counted = Account()
    for line in lines:
        counted.count(line[:1], line[1:].decode(errors="replace"))
    assert 0 <= counted.share <= 1
    assert all(count > 0 for count in (*counted.handed_off.values(), *counted.emulated.values()))
