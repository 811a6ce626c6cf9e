"""ADD of a local tar puts the tar's files there, as docker does.

The content decides what is a tar, not the name: plain, or compressed with gzip, bzip2,
xz or zstd. Names and links resolve as if the destination were the root; nothing outside
is touched, whoever made the tar.
https://docs.docker.com/reference/dockerfile/#adding-local-tar-archives
"""

import bz2
import lzma
import os
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from amphora.core.errors import ContextError, LayerError
from amphora.oci.layers.apply import Limits
from amphora.oci.layers.compression import LayerReader, Reader
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.entry import Entry, layer_error
from amphora.oci.layers.stream import TarStream
from amphora.oci.layers.unpack import Unpacker
from amphora.runtime.spec import User
from amphora.system.beneath import Names, Tree, names_in
from amphora.system.files import explain_full_disk

_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\0"

_MOST = Limits().max_bytes
_SIP = 16 * 1024


def is_archive(path: Path) -> bool:
    """Is this a regular file that holds a tar, of at least one entry?"""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file, TarStream(_Sips(_decompressed(file)), _MOST) as stream:
            return next(iter(TarReader(stream)), None) is not None
    except LayerError:
        return False


def unpack_archive(
    archive: Path, directory: Path, mtime_ns: int, owner: User | None = None
) -> None:
    """Put the files of a tar into a directory, replacing those that are in the way.

    They keep their modes, times and, without `owner`, their owners; directories that exist keep
    their times unless the tar holds them, and those that it implies are root's and get
    `mtime_ns`. Devices are left out. Raises ContextError and DiskFullError.
    """
    try:
        with (
            explain_full_disk(directory),
            archive.open("rb") as file,
            TarStream(_decompressed(file), _MOST) as stream,
            Tree(directory) as tree,
        ):
            _Extraction(tree, TarReader(stream), mtime_ns, owner).run()
    except (LayerError, OSError) as error:
        raise ContextError(
            f"cannot unpack {archive.name}",
            why=str(error.strerror).lower() if isinstance(error, OSError) else str(error),
            next_command="make the archive again, or copy it as it is with ADD --unpack=false",
        ) from error


class _Extraction:
    def __init__(self, tree: Tree, tar: TarReader, mtime_ns: int, owner: User | None) -> None:
        self._tree = tree
        self._tar = tar
        self._mtime_ns = mtime_ns
        self._owner = owner
        self._unpacker = Unpacker(tree, tar)
        #: The directories that something was put into, and what their times were.
        self._times: dict[Names, int] = {}

    def run(self) -> None:
        for entry in self._tar:
            names = names_in(entry.name)
            if names and not self._unpacker.skips(entry):
                self._unpack(self._owned(entry), names)
        self._restore_times()
        self._unpacker.set_directory_times()

    def _owned(self, entry: Entry) -> Entry:
        if self._owner is None:
            return entry
        return replace(entry, uid=self._owner.uid, gid=self._owner.gid)

    def _unpack(self, entry: Entry, names: Names) -> None:
        for depth in range(len(names)):
            directory = names[:depth]
            if directory not in self._times:
                self._times[directory] = self._time_of(directory)
        *parents, name = names
        self._unpacker.unpack(entry, self._tree.directory(tuple(parents), make=True), name)

    def _time_of(self, directory: Names) -> int:
        try:
            return os.stat(self._tree.directory(directory).descriptor).st_mtime_ns
        except OSError:
            return self._mtime_ns

    def _restore_times(self) -> None:
        for directory, time in self._times.items():
            try:
                place = self._tree.directory(directory)
            except OSError:
                continue  # replaced by another entry
            os.utime(".", ns=(time, time), dir_fd=place.descriptor)


def _decompressed(file: BinaryIO) -> Reader:
    start = file.read(len(_XZ))
    file.seek(0)
    if start.startswith(_BZIP2):
        return _Decompressed(bz2.BZ2File(file))
    if start == _XZ:
        return _Decompressed(lzma.LZMAFile(file))
    return LayerReader(file)


class _Decompressed:
    """What LayerReader is for the compressions that no layer has."""

    def __init__(self, file: bz2.BZ2File | lzma.LZMAFile) -> None:
        self._file = file

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise layer_error("the compressed stream is damaged", str(error).lower()) from error


class _Sips:
    """Gives little at a time, so that the first entry is seen before any damage behind it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def read(self, size: int, /) -> bytes:
        return self._reader.read(min(size, _SIP))
