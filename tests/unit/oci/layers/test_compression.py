import gzip
import hashlib
import io
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from amphora.core.descriptor import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError, LayerError
from amphora.oci.blobs import BlobStore
from amphora.oci.layers import compressors
from amphora.oci.layers.compression import LayerReader, detect
from amphora.oci.layers.writer import LayerBlob, LayerWriter


def some_bytes(size: int, seed: int = 7) -> bytes:
    """Bytes that compress about as well as programs do."""
    randomness = random.Random(seed)
    words = [randomness.randbytes(randomness.randrange(1, 40)) for _ in range(2000)]
    content = bytearray()
    while len(content) < size:
        content += randomness.choice(words)
    return bytes(content[:size])


def store(blobs: BlobStore, content: bytes, chunk: int = 100_000, **options) -> LayerBlob:
    with LayerWriter(blobs, **options) as writer:
        for start in range(0, len(content), chunk):
            writer.write(content[start : start + chunk])
        return writer.commit()


def read_all(file, chunk: int = 70_000) -> bytes:
    reader = LayerReader(file)
    return b"".join(iter(lambda: reader.read(chunk), b""))


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "store")


@pytest.mark.parametrize(
    ("compression", "media_type"),
    [("gzip", OCI_LAYER_GZIP), ("zstd", OCI_LAYER_ZSTD), ("none", OCI_LAYER)],
)
@pytest.mark.parametrize("size", [0, 1, compressors.BLOCK_SIZE, 3 * compressors.BLOCK_SIZE + 17])
def test_what_is_written_is_read_again(blobs, compression, media_type, size):
    content = some_bytes(size)

    blob = store(blobs, content, compression=compression)

    assert blob.diff_id == Digest.of(content)
    assert blob.descriptor.media_type == media_type
    assert blob.descriptor.size == blobs.size(blob.descriptor.digest)
    with blobs.open(blob.descriptor.digest) as file:
        assert read_all(file) == content
    assert Digest.of(blobs.path(blob.descriptor.digest).read_bytes()) == blob.descriptor.digest
    assert not list(blobs.ingest.iterdir())


def test_other_programs_read_what_we_compress(blobs):
    content = some_bytes(2_000_000)

    gzipped = blobs.path(store(blobs, content).descriptor.digest)
    zstd = blobs.read(store(blobs, content, compression="zstd").descriptor.digest)

    assert subprocess.check_output(["gzip", "-dc", gzipped]) == content
    assert zstandard.ZstdDecompressor().stream_reader(zstd).read() == content


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_neither_threads_nor_chunks_change_the_bytes(blobs, compression):
    content = some_bytes(12_000_000)

    digests = {
        store(
            blobs, content, chunk=chunk, compression=compression, threads=threads
        ).descriptor.digest
        for threads in (1, 2, 7)
        for chunk in (512, 1_000_001, len(content))
    }

    assert len(digests) == 1


PROGRAM = """
import sys
sys.path[:] = {path!r}
from pathlib import Path
from amphora.oci.blobs import BlobStore
from amphora.oci.layers.writer import LayerWriter
for level in (0, 1, 2):
    with LayerWriter(BlobStore(Path({root!r})), "gzip", level) as writer:
        writer.write(Path({content!r}).read_bytes())
        print(writer.commit().descriptor.digest)
"""


@pytest.mark.skipif(sys.implementation._multiarch != "x86_64-linux-gnu", reason="x86 CPU models")
@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell"])
def test_gzip_bytes_are_the_same_on_other_cpus(blobs, tmp_path, cpu):
    content = tmp_path / "content"
    content.write_bytes(some_bytes(900_000))
    program = PROGRAM.format(path=sys.path, root=str(blobs.root), content=str(content))
    here = [
        str(store(blobs, content.read_bytes(), level=level).descriptor.digest) for level in range(3)
    ]

    python = Path(sys.executable).resolve()
    there = subprocess.check_output(
        ["qemu-x86_64-static", "-cpu", cpu, python, "-c", program], text=True
    )

    assert there.split() == here


def test_a_level_that_depends_on_the_cpu_is_refused(blobs):
    with pytest.raises(InvalidValueError, match="3 is not a level of gzip"):
        LayerWriter(blobs, "gzip", 3)


def test_an_abandoned_layer_leaves_nothing(blobs):
    with LayerWriter(blobs) as writer:
        writer.write(some_bytes(5_000_000))

    assert not list(blobs)
    assert not list(blobs.ingest.iterdir())


def test_several_gzip_members_and_padding_are_one_stream():
    packed = gzip.compress(b"one, ") + gzip.compress(b"two") + bytes(100)

    assert read_all(io.BytesIO(packed)) == b"one, two"


def test_several_zstd_frames_are_one_stream():
    skippable = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    frame = zstandard.ZstdCompressor().compress

    assert read_all(io.BytesIO(skippable + frame(b"one, ") + skippable + frame(b"two"))) == (
        b"one, two"
    )


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("cut", [5, 1000, -1])
def test_a_truncated_stream_is_an_error(compress, cut):
    packed = compress(random.Random(1).randbytes(5000))

    with pytest.raises(LayerError, match="damaged"):
        read_all(io.BytesIO(packed[:cut]))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_corrupt_stream_is_an_error_or_gives_other_bytes(compress):
    content = some_bytes(5000)
    packed = bytearray(compress(content))
    packed[len(packed) // 2] ^= 0xFF

    try:
        actual = read_all(io.BytesIO(packed))
    except LayerError:
        return
    assert hashlib.sha256(actual).digest() != hashlib.sha256(content).digest()


def test_garbage_behind_the_stream_is_an_error():
    with pytest.raises(LayerError, match="gzip stream of a layer is damaged"):
        read_all(io.BytesIO(gzip.compress(b"content") + b"garbage"))
    with pytest.raises(LayerError, match="zstd stream of a layer is damaged"):
        read_all(io.BytesIO(zstandard.ZstdCompressor().compress(b"content") + b"garbage"))


def test_a_zstd_window_of_gigabytes_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=29)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = frame.compress(b"content") + frame.flush()

    with pytest.raises(LayerError, match=re.compile("memory|window", re.IGNORECASE)):
        read_all(io.BytesIO(packed))


def test_a_bomb_is_read_in_small_pieces():
    for compress in (gzip.compress, zstandard.ZstdCompressor().compress):
        reader = LayerReader(io.BytesIO(compress(bytes(100_000_000))))
        assert 0 < len(reader.read(1000)) <= 1000


@pytest.mark.parametrize(
    ("start", "compression"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x50\x2a\x4d\x18", "zstd"),
        (b"usr/", "none"),
        (b"", "none"),
    ],
)
def test_detect(start, compression):
    assert detect(start) == compression
