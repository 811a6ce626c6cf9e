"""Wildcard patterns as small automata: matching takes linear time, whoever wrote the pattern.

A set of positions in the text is one integer, bit *i* for position *i*; every token
maps a set of positions to the set that it can lead to. No pattern, however many
stars it has, makes this backtrack.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

#: With so few wildcards `re`, which is faster, cannot backtrack for long.
_FEW = 2


class One(Struct, frozen=True):
    """Exactly one character, which lies (or, negated, does not lie) in one of the ranges."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def accepts(self, character: str) -> bool:
        return self.negated != any(low <= character <= high for low, high in self.ranges)


class Many(Struct, frozen=True):
    """Any number of characters other than the barrier; an empty barrier stops nothing."""

    barrier: str = ""


class Directories(Struct, frozen=True):
    """Nothing, or anything that ends in a slash."""


Token: TypeAlias = One | Many | Directories


def literal(text: str) -> list[Token]:
    """One token for each character."""
    return [One(((character, character),)) for character in text]


class Glob:
    """A sequence of tokens, ready to be matched."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self.tokens = tuple(tokens)
        few = sum(not isinstance(token, One) for token in self.tokens) <= _FEW
        expression = "".join(map(_expression, self.tokens))
        self._expression = re.compile(expression, re.DOTALL) if few else None

    def matches(self, text: str) -> bool:
        """Does the whole text match?"""
        if self._expression is not None:
            return self._expression.fullmatch(text) is not None
        return self.automaton_matches(text)

    def automaton_matches(self, text: str) -> bool:
        return bool(self.ends(text, 0) >> len(text) & 1)

    def ends(self, text: str, start: int) -> int:
        """The set of positions where a match that begins at `start` can end."""
        positions = 1 << start
        for token in self.tokens:
            positions = _forward(token, _masks(text), positions)
        return positions

    def starts(self, text: str) -> int:
        """The set of positions where some match begins."""
        positions = (1 << len(text) + 1) - 1
        for token in reversed(self.tokens):
            positions = _backward(token, _masks(text), positions)
        return positions


class _Masks:
    """Which positions of a text hold which character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.everywhere = (1 << len(text) + 1) - 1
        self._of_character: dict[str, int] = {}
        for index, character in enumerate(text):
            self._of_character[character] = self.of(character) | 1 << index

    def of(self, character: str) -> int:
        return self._of_character.get(character, 0)

    def accepted(self, token: One) -> int:
        if len(token.ranges) == 1 and token.ranges[0][0] == token.ranges[0][1]:
            mask = self.of(token.ranges[0][0])
            return (self.everywhere >> 1) & ~mask if token.negated else mask
        accepted = (
            mask for character, mask in self._of_character.items() if token.accepts(character)
        )
        return sum(accepted)

    def stretches(self, barrier: str) -> Iterable[int]:
        """The sets of positions between which a run without the barrier can lead."""
        start = 0
        barriers = self.of(barrier) if barrier else 0
        while barriers:
            lowest = barriers & -barriers
            yield (lowest << 1) - (1 << start)
            start = lowest.bit_length()
            barriers ^= lowest
        yield self.everywhere >> start << start


@lru_cache(maxsize=64)
def _masks(text: str) -> _Masks:
    return _Masks(text)


def _forward(token: Token, masks: _Masks, positions: int) -> int:
    if isinstance(token, One):
        return (positions & masks.accepted(token)) << 1
    if isinstance(token, Directories):
        behind = masks.of("/") << 1
        return positions | (behind & ~(positions & -positions) & -(positions & -positions))
    return sum(
        stretch & -(inside & -inside)
        for stretch in masks.stretches(token.barrier)
        if (inside := positions & stretch)
    )


def _backward(token: Token, masks: _Masks, positions: int) -> int:
    if isinstance(token, One):
        return (positions >> 1) & masks.accepted(token)
    if isinstance(token, Directories):
        reachable = positions & (masks.of("/") << 1)
        return positions | ((1 << max(reachable.bit_length() - 1, 0)) - 1)
    return sum(
        stretch & ((1 << inside.bit_length()) - 1)
        for stretch in masks.stretches(token.barrier)
        if (inside := positions & stretch)
    )


def _expression(token: Token) -> str:
    if isinstance(token, Many):
        return f"[^{re.escape(token.barrier)}]*" if token.barrier else ".*"
    if isinstance(token, Directories):
        return "(?:.*/)?"
    return _character_class(token.ranges, negated=token.negated)


def _character_class(ranges: Sequence[tuple[str, str]], *, negated: bool) -> str:
    valid = [pair for pair in ranges if pair[0] <= pair[1]]
    if not valid:
        return "." if negated else "(?!)"
    inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in valid)
    return f"[{'^' if negated else ''}{inside}]"
