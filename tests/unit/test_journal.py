"""The benchmarks' journal: what was measured before an interruption is not measured again."""

import itertools

import pytest

import journal
from journal import Journal


@pytest.fixture
def open_journal(tmp_path, monkeypatch):
    """Open the journal as a new run of a benchmark does, which resumes or does not."""
    monkeypatch.setattr(journal, "SCRATCH", tmp_path)

    def open_it(*, resume):
        monkeypatch.setenv("BENCH_RESUME", "1" if resume else "")
        return Journal("times")

    return open_it


def test_a_resumed_run_has_what_the_interrupted_one_found(open_journal):
    open_journal(resume=False).add("lua", {"seconds": 1.5})
    resumed = open_journal(resume=True)
    resumed.add("lua", {"seconds": 2.5})
    assert resumed.results("lua") == [{"seconds": 1.5}, {"seconds": 2.5}]
    assert open_journal(resume=True).results("lua") == resumed.results("lua")
    assert resumed.results("zlib") == []


def test_a_line_that_was_not_written_whole_is_measured_again(open_journal, tmp_path):
    open_journal(resume=False).add("lua", 1.5)
    with (tmp_path / "times.jsonl").open("a") as file:
        file.write('{"key": "lua", "res')
    resumed = open_journal(resume=True)
    resumed.add("lua", 2.5)
    assert open_journal(resume=True).results("lua") == [1.5, 2.5]


def test_a_run_that_does_not_resume_begins_anew_and_keeps_the_old_file(open_journal, tmp_path):
    open_journal(resume=False).add("lua", 1.5)
    assert open_journal(resume=False).results("lua") == []
    assert "1.5" in (tmp_path / "times.previous.jsonl").read_text()


def test_ways_take_turns_each_as_often_as_it_should(open_journal, monkeypatch):
    monkeypatch.setattr(journal, "RUNS", 3)
    turns = []
    numbers = itertools.count(1)

    def way(name):
        turns.append(name)
        return float(next(numbers))

    ways = {"fast": (lambda: way("fast"), 3), "slow": (lambda: way("slow"), 1)}
    open_journal(resume=False).add("lua, fast", 9.0)
    measured = open_journal(resume=True).measure("lua", ways)
    assert turns == ["slow", "fast", "fast"]
    assert measured["fast"].seconds == [9.0, 2.0, 3.0]
    assert str(measured["fast"]) == "3.00 s (3 runs, 2.00 to 9.00)"
    assert str(measured["slow"]) == "1.00 s (1 run)"
