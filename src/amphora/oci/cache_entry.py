"""What the build cache of a store consists of, entry by entry, as `builder du` lists it."""

import hashlib
import re
from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

_HEX = re.compile(r"[0-9a-f]{64}")


class EntryType(StrEnum):
    """What an entry is, by BuildKit's names where it has one.

    `internal` is what is made again from images that are here: their unpacked layers.
    """

    REGULAR = "regular"
    INTERNAL = "internal"
    CACHE_MOUNT = "exec.cachemount"
    CONTEXT = "source.local"
    DOWNLOAD = "source.http"


class PieceKind(StrEnum):
    """Where a piece is in the store."""

    BLOB = "blob"
    SNAPSHOT = "snapshot"
    FILE = "file"


class Piece(Struct, frozen=True):
    """A part of the disk that entries have, maybe several of them.

    `name` is a digest, the hex of a chain ID or a path below the store. Of a piece that is
    `needed` by an image nothing is freed when the last entry goes that has it.
    """

    kind: PieceKind
    name: str
    size: int
    needed: bool = False


class CacheEntry(Struct, frozen=True):
    """One entry. `name` is what it is known by where it is kept; times are seconds since 1970.

    `place` orders entries that were used by the same build, what was built upon first.
    `parents` are the IDs of the entries that it was built upon; `step` tells that it is what a
    step of a build came to, `mutable` that builds change it.
    """

    name: str
    type: EntryType
    description: str
    created: float
    used: float
    pieces: tuple[Piece, ...]
    times: int = 0
    place: int = 0
    parents: tuple[str, ...] = ()
    step: bool = False
    mutable: bool = False
    in_use: bool = False

    @property
    def id(self) -> str:
        return entry_id(self.name)

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    @property
    def shared(self) -> bool:
        """Does an image need some of it?"""
        return any(piece.needed for piece in self.pieces)


def entry_id(name: str) -> str:
    """64 hexadecimal digits, whatever the entry is known by."""
    return name if _HEX.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()


class Totals(Struct, frozen=True):
    """Bytes of entries, what several of them have counted once.

    `shared` is what images need as well, `private` the rest; of that, `reclaimable` is what
    nobody uses now.
    """

    shared: int
    private: int
    reclaimable: int

    @property
    def total(self) -> int:
        return self.shared + self.private


def totals(entries: Iterable[CacheEntry]) -> Totals:
    pieces = dict[Piece, bool]()
    for entry in entries:
        for piece in entry.pieces:
            pieces[piece] = pieces.get(piece, False) or entry.in_use
    private = {piece: in_use for piece, in_use in pieces.items() if not piece.needed}
    return Totals(
        shared=sum(piece.size for piece in pieces if piece.needed),
        private=sum(piece.size for piece in private),
        reclaimable=sum(piece.size for piece, in_use in private.items() if not in_use),
    )
