"""Bytes as a supply of decisions, so that input has the structure that a reader looks for.

The same bytes always give the same decisions, and changing a few of them changes a few: what a
fuzzer needs to learn from coverage. When they run out, every decision is the first option.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Supply:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return max(len(self._data) - self._position, 0)

    def take(self, size: int) -> bytes:
        """So many bytes, or as many as there are."""
        taken = self._data[self._position : self._position + size]
        self._position += size
        return taken

    def number(self, below: int) -> int:
        """0 to below - 1."""
        size = max(1, ((below - 1).bit_length() + 7) // 8)
        return int.from_bytes(self.take(size)) % below

    def choice(self, options: Sequence[T]) -> T:
        return options[self.number(len(options))]

    def seldom(self) -> bool:
        """True once in 16 times."""
        return self.number(16) == 15

    def piece(self) -> bytes:
        """A few bytes that are anything."""
        return self.take(self.number(24))

    def words(self, options: Sequence[str], most: int) -> str:
        """Some of the options, one behind the other; now and then anything instead."""
        return "".join(
            self.piece().decode(errors="replace") if self.seldom() else self.choice(options)
            for _ in range(self.number(most + 1))
        )

    def rest(self) -> bytes:
        return self.take(self.left)
