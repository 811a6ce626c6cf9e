"""One layer, read as a stream: what of each file matters to verifying, and nothing else.

Nothing is unpacked. Of a program its headers are kept, of a script its first line, of what
configures a loader the text.
"""

import mmap
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from amphora.oci.blobs import BlobStore
from amphora.oci.layers.apply import Limits, check_diff_id
from amphora.oci.layers.compression import LayerReader
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.entry import FILE, Entry, layer_error
from amphora.oci.layers.stream import TarStream
from amphora.oci.snapshots import Layer
from amphora.system.binary import Binary, read_binary

#: As much of a script's first line as the kernel reads (BINPRM_BUF_SIZE).
_START_SIZE = 256
_ELF, _SCRIPT = b"\x7fELF", b"#!"

#: What tells a loader where libraries are: ld.so(8) and musl's ldso/dynlink.c.
_LOADER_FILES = rb"(?:^|/)(?:ld\.so\.conf|ld\.so\.conf\.d/[^/]+|ld-musl-[^/]+\.path)$"
#: The image's own tests (see `image_tests`).
_TESTS = rb"^(?:\./|/)?(?:amphora-test\.yaml|amphora-test\.d/[^/]+)$"
_TEXTS = re.compile(_LOADER_FILES + rb"|" + _TESTS)
_LARGEST_TEXT = 1 << 16

#: Programs up to this size are looked at in memory, larger ones in a file.
_IN_MEMORY = 32 << 20


class Item(Struct, frozen=True):
    """An entry of a layer. `start` are the first bytes of a script, empty for all else."""

    name: bytes
    kind: bytes
    link: bytes
    mode: int
    size: int = 0
    start: bytes = b""
    binary: Binary | None = None
    text: str | None = None

    @property
    def is_executable(self) -> bool:
        return bool(self.mode & 0o111)


def scan_layer(blobs: BlobStore, layer: Layer, scratch: Path) -> list[Item]:
    """Every entry of a layer, in order; `scratch` is a directory for large programs.

    Raises LayerError, DigestMismatchError if it is not the layer the config names, and
    NotFoundError.
    """
    limits = Limits()
    with (
        blobs.open(layer.blob.digest) as blob,
        TarStream(LayerReader(blob), limits.max_bytes, layer.diff_id.algorithm) as stream,
    ):
        items: list[Item] = []
        tar = TarReader(stream)
        for entry in tar:
            items.append(_item(entry, tar, scratch))
            if len(items) > limits.max_entries:
                raise layer_error(
                    "a layer is larger than a layer may be",
                    f"it holds more than {limits.max_entries} files",
                )
        check_diff_id(layer.diff_id, stream.digest())
    return items


def _item(entry: Entry, tar: TarReader, scratch: Path) -> Item:
    if entry.kind != FILE or not entry.size:
        return Item(entry.name, entry.kind, entry.link, entry.mode)
    pieces = tar.content()
    start = _start(pieces, min(entry.size, _START_SIZE))
    binary, text = None, None
    if start.startswith(_ELF):
        binary = _read_program(start, pieces, entry.size, scratch)
    elif entry.size <= _LARGEST_TEXT and _TEXTS.search(entry.name):
        text = (start + b"".join(pieces)).decode(errors="replace")
    # What is begun must be read to its end: the next entry comes after it.
    for _ in pieces:
        pass
    return Item(
        *(entry.name, entry.kind, entry.link, entry.mode, entry.size),
        start=start[:_START_SIZE] if start.startswith(_SCRIPT) else b"",
        binary=binary,
        text=text,
    )


def _start(pieces: Iterator[memoryview], size: int) -> bytes:
    """At least the first `size` bytes."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= size:
            break
    return start


def _read_program(
    start: bytes, pieces: Iterator[memoryview], size: int, scratch: Path
) -> Binary | None:
    if size <= _IN_MEMORY:
        return read_binary(b"".join((start, *pieces)))
    with tempfile.TemporaryFile(dir=scratch) as file:
        file.write(start)
        for piece in pieces:
            file.write(piece)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            return read_binary(image)
