"""Entries of a cache that is nowhere: what goes is decided by what they say."""

import pytest

from amphora.oci.cache_entry import CacheEntry, EntryType, Piece, PieceKind


@pytest.fixture
def entry():
    """One by name; its pieces are (name, size), and those in `needed` are an image's as well."""

    def make(name, *pieces, needed=(), **more):
        made = (Piece(PieceKind.BLOB, piece, size, piece in needed) for piece, size in pieces)
        given = {"type": EntryType.REGULAR, "description": f"RUN {name}", "created": 0.0}
        return CacheEntry(name=name, **{**given, "used": 0.0, **more}, pieces=tuple(made))

    return make
