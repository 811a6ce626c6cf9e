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


def test_a_summary_begins_with_what_took_longest():
    counted = account("N/bin/sh", "N/bin/sh", *["Q/bin/a"] * 30, "Q/bin/b", "Q/bin/c", "Q/bin/c")
    for path, seconds in ((b"/bin/b", 1.5), (b"/bin/a", 0.01), (b"/bin/c", 0.2), (b"/bin/b", 0.5)):
        counted.spend(path, seconds)
    assert counted.summary.partition("; ")[2] == (
        "emulated: /bin/b 1 ≈ 2.0 s, /bin/c 2 ≈ 0.2 s, /bin/a 30; ≈ 2.2 s of CPU in QEMU"
    )
    assert counted.seconds == {"/bin/b": 2.0, "/bin/a": 0.01, "/bin/c": 0.2}


def test_what_takes_time_is_named_as_it_is_in_the_log():
    counted = Account()
    long = b"/" + b"x" * 300
    counted.spend(long, 1)
    counted.spend(b"\033[31m", 1)
    assert counted.seconds == {"x" * 255: 1, "?[31m": 1}
    for number in range(20_000):
        counted.spend(b"/%d" % number, 1)
    assert len(counted.seconds) <= 10_001


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
