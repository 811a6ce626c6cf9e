"""Which entries of the cache go: those that were used longest ago, for as long as it is too big.

Limits mean what they mean to BuildKit.
https://docs.docker.com/build/cache/garbage-collection/
"""

from collections import Counter
from collections.abc import Collection, Iterable

from msgspec import Struct

from amphora.oci.cache_entry import CacheEntry, Piece


class Limits(Struct, frozen=True):
    """Bytes: the most that the cache may take, what must be free, what it may take in any case."""

    max_used: int | None = None
    min_free: int | None = None
    reserved: int | None = None

    @property
    def given(self) -> bool:
        return (self.max_used, self.min_free, self.reserved) != (None, None, None)

    def size(self, total: int, free: int) -> int:
        """What a cache of `total` bytes should take on a disk with so many bytes free."""
        bounds = [] if self.max_used is None else [self.max_used]
        if self.min_free is not None:
            bounds.append(total - max(0, self.min_free - free))
        return max(min(bounds, default=0), self.reserved or 0)


def choose(
    candidates: Iterable[CacheEntry], entries: Iterable[CacheEntry], limits: Limits, free: int
) -> list[CacheEntry]:
    """The candidates that go, what was used longest ago first; all of them without limits.

    `entries` are what the limits are about, candidates included. What was built upon others
    goes before them, and where space is wanted only what gives some.
    """
    holders = Counter(piece for entry in entries for piece in entry.pieces if not piece.needed)
    total = sum(piece.size for piece in holders)
    wanted = limits.size(total, free)
    chosen = []
    for entry in sorted(candidates, key=lambda each: (each.used, -each.place)):
        if limits.given and total <= wanted:
            break
        own = [piece for piece in entry.pieces if not piece.needed]
        if limits.given and not own:
            continue
        chosen.append(entry)
        holders.subtract(own)
        total -= sum(piece.size for piece in own if not holders[piece])
    return chosen


def freed_by(gone: Collection[CacheEntry], entries: Iterable[CacheEntry]) -> int:
    """The bytes that are free once these of the entries are gone."""
    names = {entry.name for entry in gone}
    kept = {piece for entry in entries if entry.name not in names for piece in entry.pieces}
    return sum(piece.size for piece in _pieces(gone) if not piece.needed and piece not in kept)


def _pieces(entries: Iterable[CacheEntry]) -> set[Piece]:
    return {piece for entry in entries for piece in entry.pieces}
