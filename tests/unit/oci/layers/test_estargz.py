"""eStargz, as its readers find it: from the end to the table, from the table to each chunk.

https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
"""

import base64
import gzip
import hashlib
import io
import json
import random
import struct
import tarfile
import zlib

import pytest

from amphora.core.errors import LayerError
from amphora.oci.blobs import BlobStore
from amphora.oci.layers.compression import LayerReader
from amphora.oci.layers.estargz import write_estargz

LARGE = random.Random(1).randbytes(9 << 20)
#: What a file that ends with a chunk has.
EXACT = LARGE[: 8 << 20]
CHUNK = 4 << 20


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path)


def member(name, kind=tarfile.REGTYPE, **fields):
    found = tarfile.TarInfo(name)
    found.type = kind
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def tar_of(*members):
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return output.getvalue()


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


#: Headers about a file that never comes.
HEADERS = 17 * (
    member("x", tarfile.XHDTYPE, size=(1 << 20) // 10 * 10).tobuf(tarfile.USTAR_FORMAT)
    + b"10 a=bcde\n" * ((1 << 20) // 10)
    + bytes((1 << 20) % 10)
)
EVERYTHING = tar_of(
    (member("dir", tarfile.DIRTYPE, mode=0o1755, mtime=7, uid=8, gid=12), b""),
    (member("dir/empty"), b""),
    (member("dir/large", mode=0o4711, mtime=1.5), LARGE),
    (member("dir/" + 200 * "n", pax_headers={"SCHILY.xattr.user.a": "v"}), b"long name"),
    (member("exact"), EXACT),
    (member("hard", tarfile.LNKTYPE, linkname="dir/large"), b""),
    (member("soft", tarfile.SYMTYPE, linkname="../ünder"), b""),
    (member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
    (member("pipe", tarfile.FIFOTYPE), b""),
    (member(".wh.gone"), b""),
)


def table(blob):
    """The TOC and where it begins, found from the end."""
    footer = blob[-51:]
    assert gzip.decompress(footer) == b""
    assert footer[:4] == b"\x1f\x8b\x08\x04"
    assert struct.unpack("<H2sH", footer[10:16]) == (26, b"SG", 22)
    assert footer[32:38] == b"STARGZ"
    offset = int(footer[16:32], 16)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[offset:]))) as tar:
        [entry] = tar
        assert entry.name == "stargz.index.json"
        return tar.extractfile(entry).read(), offset


def content_at(blob, offset, size):
    return zlib.decompressobj(31).decompress(blob[offset:], size)


def test_every_chunk_is_found_by_the_table(blobs):
    layer, read = write_estargz(blobs, io.BytesIO(EVERYTHING))
    assert str(read) == sha256(EVERYTHING)
    blob = blobs.read(layer.descriptor.digest)
    toc, end = table(blob)
    annotations = layer.descriptor.annotations
    assert annotations["containerd.io/snapshot/stargz/toc.digest"] == sha256(toc)
    plain = gzip.decompress(blob)
    assert annotations["io.containers.estargz.uncompressed-size"] == str(len(plain))
    assert str(layer.diff_id) == sha256(plain)

    found = json.loads(toc)
    assert found["version"] == 1
    files = {}
    for entry in found["entries"]:
        if not entry.get("chunkDigest"):
            continue
        start = entry.get("chunkOffset", 0)
        whole = files.setdefault(entry["name"], {"entry": entry, "content": b""})
        assert entry["type"] == ("chunk" if start else "reg")
        assert start == len(whole["content"])
        assert entry["offset"] < end
        size = entry.get("chunkSize") or whole["entry"]["size"] - start
        content = content_at(blob, entry["offset"], size)
        assert sha256(content) == entry["chunkDigest"]
        whole["content"] += content
    for each in files.values():
        assert sha256(each["content"]) == each["entry"]["digest"]
    assert files["dir/large"]["content"] == LARGE
    assert files["exact"]["content"] == EXACT
    assert [entry["type"] for entry in found["entries"] if entry["name"] == "exact"] == [
        *("reg", "chunk")
    ]
    assert files[".no.prefetch.landmark"]["content"] == b"\x0f"

    told = {entry["name"]: entry for entry in found["entries"] if entry["type"] != "chunk"}
    assert list(told)[:4] == [".no.prefetch.landmark", "dir/", "dir/empty", "dir/large"]
    assert told["dir/"] == {
        "name": "dir/",
        "type": "dir",
        "mode": 0o1755,
        "uid": 8,
        "gid": 12,
        "modtime": "1970-01-01T00:00:07Z",
    }
    assert told["dir/large"]["mode"] == 0o4711
    assert (told["hard"]["type"], told["hard"]["linkName"]) == ("hardlink", "dir/large")
    assert (told["soft"]["type"], told["soft"]["linkName"]) == ("symlink", "../ünder")
    assert (told["null"]["type"], told["null"]["devMajor"], told["null"]["devMinor"]) == (
        *("char", 1, 3),
    )
    assert told["pipe"]["type"] == "fifo"
    assert told["dir/" + 200 * "n"]["xattrs"] == {"user.a": base64.b64encode(b"v").decode()}


def test_it_is_the_same_tar_with_two_files_more(blobs):
    layer, _ = write_estargz(blobs, io.BytesIO(EVERYTHING))
    plain = gzip.decompress(blobs.read(layer.descriptor.digest))
    landmark, rest = plain[:1024], plain[1024:]
    assert landmark[512:] == b"\x0f".ljust(512, b"\0")
    same = len(EVERYTHING.rstrip(b"\0")) // 512 * 512
    assert rest[:same] == EVERYTHING[:same]
    with (
        tarfile.open(fileobj=io.BytesIO(plain)) as tar,
        tarfile.open(fileobj=io.BytesIO(EVERYTHING)) as before,
    ):
        names = tar.getnames()
        assert names[1:-1] == before.getnames()
        assert (names[0], names[-1]) == (".no.prefetch.landmark", "stargz.index.json")


def test_what_is_estargz_stays_as_it_is(blobs):
    layer, _ = write_estargz(blobs, io.BytesIO(EVERYTHING))
    with blobs.open(layer.descriptor.digest) as file:
        again, read = write_estargz(blobs, LayerReader(file))
    assert read == layer.diff_id
    assert again == layer


def test_a_layer_of_nothing(blobs):
    layer, _ = write_estargz(blobs, io.BytesIO(tar_of()))
    toc, _ = table(blobs.read(layer.descriptor.digest))
    [entry] = json.loads(toc)["entries"]
    assert entry["name"] == ".no.prefetch.landmark"


def test_many_headers_do_not_gather(blobs):
    tar = tar_of(*((member(f"file-{number}"), b"") for number in range(17_000)))
    layer, _ = write_estargz(blobs, io.BytesIO(tar))
    blob = blobs.read(layer.descriptor.digest)
    toc, _ = table(blob)
    assert len(json.loads(toc)["entries"]) == 17_001
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as plain:
        assert len(plain.getnames()) == 17_002


@pytest.mark.parametrize(
    ("tar", "why"),
    [
        (EVERYTHING[:2048], "truncated"),
        (b"x" * 1024, "well-formed"),
        (HEADERS, "more than 16777216 bytes of headers"),
        (tar_of((member("ok-\udcff"), b"")), "cannot be in a layer with compression=estargz"),
    ],
)
def test_what_cannot_be_written(blobs, tar, why):
    with pytest.raises(LayerError, match=why):
        write_estargz(blobs, io.BytesIO(tar))
    assert list(blobs) == []
