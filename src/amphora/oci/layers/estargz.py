"""eStargz: a layer whose files can be fetched one by one, and that is a gzip layer to all others.

The same tar, compressed in pieces: each chunk of a file is a gzip member of its own. A table of
contents (TOC) is the tar's last file, and an empty gzip member at the end tells where it is.
Since the tar has two files more, the layer has another diff ID.
https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec import Struct

from amphora.core.descriptor import OCI_LAYER_GZIP, Descriptor
from amphora.core.digest import Digest
from amphora.oci.blobs import BlobStore
from amphora.oci.config import timestamp
from amphora.oci.layers.apply import Limits
from amphora.oci.layers.compression import Reader
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.encode import BLOCK, END, encode, padding
from amphora.oci.layers.entry import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
    layer_error,
    printable,
)
from amphora.oci.layers.gzip_members import GzipMembers
from amphora.oci.layers.stream import TarStream
from amphora.oci.layers.writer import LayerBlob

#: Annotations of the layer's descriptor: what verifies the TOC, and how much the tar takes.
TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
UNCOMPRESSED_SIZE = "io.containers.estargz.uncompressed-size"

_TOC = b"stargz.index.json"
#: Says that nothing is to be fetched beforehand: nobody has told us what is read first.
_LANDMARK = b".no.prefetch.landmark"
_LANDMARK_CONTENT = b"\x0f"
#: A layer that was eStargz before has these as well.
_OWN_NAMES = frozenset({_TOC, _LANDMARK, b".prefetch.landmark"})

#: Bytes of a file in one member, as the specification's own tool has them.
_CHUNK = 4 << 20
#: A file has a few kilobytes; a header about another is at most 1 MiB.
_MOST_HEADERS = 16 << 20
#: Chunks that are compressed at once, so that memory stays flat on a machine with many CPUs.
_MOST_THREADS = 8

_TYPES = {
    FILE: "reg",
    HARDLINK: "hardlink",
    SYMLINK: "symlink",
    CHARACTER_DEVICE: "char",
    BLOCK_DEVICE: "block",
    DIRECTORY: "dir",
    FIFO: "fifo",
}
_SECOND = 1_000_000_000
_LINKS = frozenset({SYMLINK, HARDLINK})


class _TocEntry(Struct, omit_defaults=True, rename="camel"):
    """What the TOC has of a file with its first chunk, or of a chunk after that."""

    name: str
    type: str
    size: int = 0
    modtime: str = ""
    link_name: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    dev_major: int = 0
    dev_minor: int = 0
    xattrs: dict[str, bytes] = {}
    digest: str = ""
    offset: int = 0
    chunk_offset: int = 0
    chunk_size: int = 0
    chunk_digest: str = ""


def write_estargz(
    blobs: BlobStore, tar: Reader, level: int | None = None
) -> tuple[LayerBlob, Digest]:
    """Store a layer's tar as eStargz; returns it, and the digest of the tar that was read.

    `level` is as in gzip_member. Raises LayerError for what is no tar of a layer and for a name
    that JSON cannot hold, DiskFullError.
    """
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    with (
        _Recorder(tar, Limits().max_bytes) as stream,
        blobs.writer() as blob,
        ThreadPoolExecutor(threads, "compress") as pool,
    ):
        members = GzipMembers(blob, pool, level, 2 * threads)
        toc = _Converter(stream, members).convert()
        read = stream.digest()
        digest = blob.commit()
    annotations = {TOC_DIGEST: str(toc), UNCOMPRESSED_SIZE: str(members.plain_size)}
    descriptor = Descriptor(OCI_LAYER_GZIP, digest, blob.size, annotations=annotations)
    return LayerBlob(descriptor, members.plain_digest), read


class _Recorder(TarStream):
    """Remembers the bytes that were taken, until they are asked for.

    Raises LayerError for more headers before a file than any honest one has.
    """

    def __init__(self, reader: Reader, largest: int) -> None:
        super().__init__(reader, largest)
        self._taken = bytearray()

    def take(self, size: int) -> bytes:
        taken = super().take(size)
        self._keep(taken)
        return taken

    def chunks(self, size: int) -> Iterator[memoryview]:
        for piece in super().chunks(size):
            self._keep(piece)
            yield piece

    def _keep(self, taken: bytes | memoryview) -> None:
        self._taken += taken
        if len(self._taken) > _MOST_HEADERS:
            raise layer_error(
                "a layer cannot be written with compression=estargz",
                f"one of its files has more than {_MOST_HEADERS} bytes of headers",
            )

    def recorded(self) -> bytes:
        """What was taken since the last time."""
        taken, self._taken = bytes(self._taken), bytearray()
        return taken


class _Converter:
    """Hands a tar on, header by header as it was, and notes where its files are."""

    def __init__(self, stream: _Recorder, members: GzipMembers) -> None:
        self._stream = stream
        self._members = members
        #: With the gzip member in which a chunk is.
        self._entries: list[tuple[_TocEntry, int | None]] = []

    def convert(self) -> Digest:
        """Write all of it; returns the digest of the TOC."""
        landmark = Entry(_LANDMARK, FILE, size=len(_LANDMARK_CONTENT))
        self._members.write(encode(landmark))
        self._file(landmark, iter([_LANDMARK_CONTENT]))
        self._members.write(padding(landmark.size))
        reader, kept, fill = TarReader(self._stream), False, 0
        for entry in reader:
            # What fills the last block of the content before, then this entry's headers.
            filling, headers = self._taken(fill)
            self._members.write(filling if kept else b"")
            kept, fill = entry.name.removeprefix(b"./") not in _OWN_NAMES, -entry.size % BLOCK
            if kept:
                self._members.write(headers)
                self._file(entry, self._content(reader))
            else:
                for _ in self._content(reader):
                    pass
        self._members.write(bytes(fill) if kept else b"")
        return self._finish()

    def _taken(self, fill: int) -> tuple[bytes, bytes]:
        taken = self._stream.recorded()
        return taken[:fill], taken[fill:]

    def _content(self, reader: TarReader) -> Iterator[bytes]:
        """The content of the entry at hand, in chunks of which all but the last are full."""
        chunk = bytearray()
        for piece in reader.content():
            self._stream.recorded()
            chunk += piece
            while len(chunk) >= _CHUNK:
                yield bytes(chunk[:_CHUNK])
                del chunk[:_CHUNK]
        if chunk:
            yield bytes(chunk)

    def _file(self, entry: Entry, content: Iterator[bytes]) -> None:
        """Note a file, and write its content chunk by chunk."""
        first = noted = _described(entry)
        whole, position = hashlib.sha256(), 0
        for chunk in content:
            if entry.size > _CHUNK:
                whole.update(chunk)
            if position:
                noted = _TocEntry(first.name, "chunk", chunk_offset=position)
            noted.chunk_digest = str(Digest.of(chunk))
            position += len(chunk)
            # Of the last chunk it is 0: it ends with the file.
            noted.chunk_size = len(chunk) if position < entry.size else 0
            self._entries.append((noted, self._members.cut()))
            self._members.write(chunk)
        if entry.size > _CHUNK:
            first.digest = f"sha256:{whole.hexdigest()}"
        elif position:
            first.digest = first.chunk_digest
        else:
            self._entries.append((first, None))

    def _finish(self) -> Digest:
        """Write the TOC and what tells where it is."""
        offsets = self._members.offsets()
        begin = offsets[-1]
        for entry, member in self._entries:
            entry.offset = 0 if member is None else offsets[member]
        toc = msgspec.json.encode({"version": 1, "entries": [each for each, _ in self._entries]})
        header = encode(Entry(_TOC, FILE, mode=0o444, size=len(toc)))
        self._members.write(header + toc + padding(len(toc)) + END)
        self._members.finish(_footer(begin))
        return Digest.of(toc)


def _described(entry: Entry) -> _TocEntry:
    try:
        return _TocEntry(
            name=entry.name.decode(),
            type=_TYPES[entry.kind],
            size=entry.size,
            modtime=_time(entry.mtime),
            link_name=entry.link.decode() if entry.kind in _LINKS else "",
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            dev_major=entry.device[0],
            dev_minor=entry.device[1],
            xattrs={_text(name): value for name, value in entry.attributes.items()},
        )
    except UnicodeError as error:
        raise layer_error(
            f"{printable(entry.name)} cannot be in a layer with compression=estargz",
            "it has a name that is not UTF-8, and the table of such a layer is JSON",
        ) from error


def _text(attribute: str) -> str:
    """The name as it is; raises UnicodeError for one that is no text."""
    return attribute.encode().decode()


def _time(nanoseconds: int) -> str:
    """Empty for a time that has no such form: the tar has it."""
    try:
        return timestamp(nanoseconds // _SECOND)
    except (ValueError, OverflowError, OSError):
        return ""


def _footer(offset: int) -> bytes:
    """An empty gzip member whose extra field says where the TOC's member begins."""
    field = b"%016xSTARGZ" % offset
    header = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
    extra = struct.pack("<H2sH", len(field) + 4, b"SG", len(field)) + field
    return header + extra + b"\x01\x00\x00\xff\xff" + bytes(8)
