"""Which entries go: for how long, in which order, and what that frees."""

import pytest

from amphora.build.pruning.limits import Limits, choose, freed_by
from amphora.oci.cache_entry import totals

NONE = Limits()


def names(entries):
    return [entry.name for entry in entries]


@pytest.fixture
def three(entry):
    """100 bytes each, used one after the other; what was used by one build has places."""
    return [
        entry("new", ("n", 100), used=3.0),
        entry("below", ("b", 100), used=2.0, place=0),
        entry("above", ("a", 100), used=2.0, place=1),
    ]


@pytest.mark.parametrize(
    ("limits", "gone"),
    [
        (NONE, ["above", "below", "new"]),
        (Limits(max_used=1000), []),
        (Limits(max_used=300), []),
        (Limits(max_used=299), ["above"]),
        (Limits(max_used=100), ["above", "below"]),
        (Limits(max_used=0), ["above", "below", "new"]),
        (Limits(reserved=150), ["above", "below"]),
        (Limits(max_used=0, reserved=150), ["above", "below"]),
        (Limits(min_free=50), []),
        (Limits(min_free=51), ["above"]),
        (Limits(min_free=250), ["above", "below"]),
        (Limits(min_free=250, max_used=250), ["above", "below"]),
        (Limits(min_free=51, max_used=100), ["above", "below"]),
        (Limits(min_free=1000, reserved=300), []),
    ],
)
def test_what_was_used_longest_ago_goes_first_and_what_was_built_upon_last(three, limits, gone):
    """50 bytes of the disk are free."""
    assert names(choose(three, three, limits, free=50)) == gone


def test_only_candidates_go_and_all_count(three):
    assert names(choose(three[:2], three, Limits(max_used=200), 0)) == ["below"]
    assert names(choose(three[:1], three, NONE, 0)) == ["new"]


def test_where_space_is_wanted_only_what_gives_some_goes(entry):
    entries = [
        entry("of an image", ("i", 100), needed=["i"]),
        entry("nothing"),
        entry("one", ("both", 100), ("one", 1), used=1.0),
        entry("two", ("both", 100), used=2.0),
        entry("three", ("three", 100), used=3.0),
    ]
    # What two entries have is only free when both are gone.
    assert names(choose(entries, entries, Limits(max_used=199), 0)) == ["one", "two"]
    assert names(choose(entries, entries, Limits(max_used=200), 0)) == ["one"]
    assert names(choose(entries, entries, NONE, 0)) == names(entries)


def test_what_is_freed_is_what_nobody_else_has(entry):
    one = entry("one", ("both", 100), ("one", 1), ("image", 1000), needed=["image"])
    two = entry("two", ("both", 100), ("two", 2))
    assert freed_by([one], [one, two]) == 1
    assert freed_by([two], [one, two]) == 2
    assert freed_by([one, two], [one, two]) == 103


def test_totals_count_each_piece_once(entry):
    one = entry("one", ("both", 100), ("image", 1000), needed=["image"])
    two = entry("two", ("both", 100), ("two", 2), in_use=True)
    sums = totals([one, two])
    assert (sums.shared, sums.private, sums.total) == (1000, 102, 1102)
    assert sums.reclaimable == 0
    assert totals([one]).reclaimable == 100
    assert (one.size, one.shared, two.shared) == (1100, True, False)
