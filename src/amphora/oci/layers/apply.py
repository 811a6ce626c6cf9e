"""Unpacking a layer onto a directory, as containerd does, whoever made the layer.

Nothing outside the directory is ever touched: all names resolve inside (see
`system.beneath`), the last name is never followed, and devices are not made.
https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md#applying-changesets
https://github.com/containerd/containerd/blob/v2.0.0/pkg/archive/tar.go
"""

import os
from collections import defaultdict
from pathlib import Path

from msgspec import Struct

from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError
from amphora.oci.layers.compression import Reader
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.entry import (
    OPAQUE_MARKER,
    WHITEOUT_PREFIX,
    Entry,
    layer_error,
    printable,
)
from amphora.oci.layers.stream import TarStream
from amphora.oci.layers.unpack import Unpacker
from amphora.system.beneath import Names, Place, Tree, names_in
from amphora.system.files import explain_full_disk

# What AUFS once noted in layers: `.wh..wh.plnk` and the like.
_AUFS_PREFIX = WHITEOUT_PREFIX * 2

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Limits(Struct, frozen=True):
    """What no honest layer exceeds: bytes of its tar, files and directories in it."""

    max_bytes: int = 256 * 1024**3
    max_entries: int = 5_000_000


class AppliedLayer(Struct, frozen=True):
    """What was unpacked: the digest of the tar, its bytes, its entries.

    `skipped` says in words what was left out: devices, and attributes that the file
    system does not take (the first thousand).
    """

    diff_id: Digest
    size: int
    entries: int
    skipped: tuple[str, ...]


def apply_layer(
    reader: Reader, root: Path, *, limits: Limits | None = None, expected: Digest | None = None
) -> AppliedLayer:
    """Unpack a tar (decompressed: see LayerReader) onto a directory or a mounted overlay.

    Owners are set if this process is root in its namespace. `expected` is the layer's
    diff id. Raises LayerError, DigestMismatchError and DiskFullError; what was unpacked
    until then stays, for the caller to throw away.
    """
    limits = limits or Limits()
    algorithm = expected.algorithm if expected else "sha256"
    with TarStream(reader, limits.max_bytes, algorithm) as stream, Tree(root) as tree:
        application = _Application(root, tree, TarReader(stream), limits)
        application.run()
        diff_id = stream.digest()
    if expected is not None:
        check_diff_id(expected, diff_id)
    return AppliedLayer(diff_id, stream.size, application.entries, application.skipped)


def check_diff_id(expected: Digest, actual: Digest) -> None:
    """Raise DigestMismatchError for a layer that is not the one its image's config lists."""
    if actual != expected:
        raise DigestMismatchError(
            f"expected a layer that unpacks to {expected} but got {actual}",
            why="the layer is not the one that the image's config lists",
            next_command="pull the image again; if it persists, ask whoever made it",
        )


class _Application:
    """One layer on its way into one tree."""

    def __init__(self, root: Path, tree: Tree, tar: TarReader, limits: Limits) -> None:
        self._root = root
        self._tree = tree
        self._tar = tar
        self._limits = limits
        self._unpacker = Unpacker(tree, tar)
        #: The names that this layer put in, or passed through, in each directory.
        self._own: defaultdict[Names, set[bytes]] = defaultdict(set)
        self.entries = 0

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(self._unpacker.skipped)

    def run(self) -> None:
        for entry in self._tar:
            self.entries += 1
            self._check_limits(entry)
            try:
                with explain_full_disk(self._root):
                    self._apply(entry)
            except OSError as error:
                reason = os.strerror(error.errno or 0).lower()
                raise layer_error(f"cannot unpack {printable(entry.name)}", reason) from error
        self._unpacker.set_directory_times()

    def _check_limits(self, entry: Entry) -> None:
        if self.entries + self._tree.made > self._limits.max_entries:
            why = f"it holds more than {self._limits.max_entries} files"
        elif entry.size > self._limits.max_bytes:
            why = f"{printable(entry.name)} has {entry.size} bytes"
        else:
            return
        raise layer_error("a layer is larger than a layer may be", why)

    def _apply(self, entry: Entry) -> None:
        names = names_in(entry.name)
        if not names or self._unpacker.skips(entry):
            return
        if names[0].startswith(_AUFS_PREFIX) and names[0] != OPAQUE_MARKER:
            return
        *parents, name = names
        place = self._tree.directory(tuple(parents), make=True)
        self._pass_through(place.path)
        if name == OPAQUE_MARKER:
            self._empty(place.path)
        elif name.startswith(WHITEOUT_PREFIX):
            self._white_out(place, name.removeprefix(WHITEOUT_PREFIX))
        else:
            self._unpacker.unpack(entry, place, name)
            self._own[place.path].add(name)

    def _pass_through(self, path: Names) -> None:
        """Note that the directories on the way belong to this layer as well."""
        while path:
            *parents, name = path
            path = tuple(parents)
            if name in self._own[path]:
                return
            self._own[path].add(name)

    def _white_out(self, place: Place, name: bytes) -> None:
        if name in {b"", b".", b".."}:
            raise layer_error("a layer is malformed", f"it removes a file called {name.decode()!r}")
        self._unpacker.remove(place, name)

    def _empty(self, top: Names) -> None:
        """Remove from a directory, and from all below it, what lower layers put there."""
        pending = [top]
        while pending:
            path = pending.pop()
            place = self._tree.directory(path)
            for name, is_directory in _children(place):
                if name not in self._own[path]:
                    self._unpacker.remove(place, name)
                elif is_directory:
                    pending.append((*path, name))


def _children(place: Place) -> list[tuple[bytes, bool]]:
    """Name by name, and whether it is a directory."""
    listing = os.open(".", _LIST, dir_fd=place.descriptor)
    try:
        with os.scandir(listing) as found:
            return [
                (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in found
            ]
    finally:
        os.close(listing)
