"""What builds note of the steps they used."""

import pytest

from amphora.core.digest import Digest
from amphora.oci import uses
from amphora.oci.steps import CacheRecord
from amphora.oci.uses import Use

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
FIRST = Use("RUN first", "linux/amd64", None, ONE)
SECOND = Use("COPY second\nand more", "linux/arm64", ONE, TWO)


@pytest.fixture
def listed(store):
    def look():
        uses.fold(store.root, store.database)
        with store.database.reading() as connection:
            return uses.listed(connection)

    return look


def test_the_last_build_counts_and_says_in_which_order(store, listed):
    store.note_uses({"first": FIRST})
    before = listed()
    store.note_uses({"second": SECOND, "first": FIRST})
    store.note_uses({})
    after = listed()
    assert after["first"].use == FIRST
    assert after["second"].use == SECOND
    assert after["first"].used > before["first"].used
    assert after["first"].used == after["second"].used
    assert {key: (use.place, use.times) for key, use in after.items()} == {
        "first": (1, 2),
        "second": (0, 1),
    }
    assert listed() == after


def test_what_a_power_failure_left_is_passed_over(store, listed):
    store.note_uses({"first": FIRST})
    with (store.root / "uses.log").open("ab") as file:
        file.write(b'[1.0,[["ke\n\0\0\0\n[]\n')
    store.note_uses({"second": SECOND})
    assert listed().keys() == {"first", "second"}


def test_many_lines_are_put_in_order_by_a_build(store, listed):
    long = Use("RUN " + "x" * 300_000, "linux/amd64", None, None)
    for _ in range(4):
        store.note_uses({"key": long})
    assert not (store.root / "uses.log").exists()
    assert listed()["key"].times == 4


def test_what_is_not_remembered_any_more_is_forgotten_with_the_garbage(store, listed):
    store.cache_put("first", CacheRecord(None, None, "", "native", 1.0))
    store.note_uses({"first": FIRST, "second": SECOND})
    store.collect_garbage()
    assert listed().keys() == {"first"}
    with store.database.reading() as connection:
        assert uses.chains(connection) == {ONE}
