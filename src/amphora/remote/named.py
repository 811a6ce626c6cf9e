"""Bytes under names, which somebody else keeps for us: an object store, a cache service."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from msgspec import Struct


class Found(Struct, frozen=True):
    """What is there: its bytes and how long ago it was written; None where that is not told."""

    size: int | None = None
    age: timedelta | None = None


class NamedBytes(Protocol):
    """Every method raises CacheError."""

    async def look(self, name: str) -> Found | None:
        """Is it there?"""

    async def download(self, name: str, write: Callable[[bytes], object]) -> bool:
        """Give its bytes to `write`, in a thread, piece by piece; False if it is not there."""
        ...

    async def put(self, name: str, content: bytes | Path) -> None:
        """Have it there, whole or not at all, in place of what was there."""
