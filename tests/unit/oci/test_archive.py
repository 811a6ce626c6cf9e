import io
import json
import random
import shutil
import subprocess
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from amphora.core.digest import Digest
from amphora.core.errors import (
    AmphoraError,
    DigestMismatchError,
    ManifestError,
    NotFoundError,
)
from amphora.core.reference import Reference
from amphora.oci.archive import Imported, export_archive, import_archive, save_archive
from amphora.oci.store import Store

HELLO = Reference.parse("localhost:5000/hello:1.0")
OTHER = Reference.parse("example.org/other:2")


def exported(store, *images):
    output = io.BytesIO()
    export_archive(store.blobs, images, output)
    return output.getvalue()


def tar_of(members, **changes):
    """An archive of (name, content) pairs, with the given fields in every header."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=changes.pop("format", 0)) as archive:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            for field, value in changes.items():
                setattr(header, field, value)
            archive.addfile(header, io.BytesIO(content))
    return output.getvalue()


def contents(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]


@pytest.fixture
def other_store(tmp_path):
    return Store(tmp_path / "other")


def test_images_travel_whole_and_keep_their_names(store, make, other_store):
    root = make.image("linux/amd64", "linux/arm64")
    single = make.variant("linux/riscv64").manifest
    archive = exported(store, (HELLO, root), (OTHER, single))
    imported = import_archive(other_store, io.BytesIO(archive))
    assert imported == (Imported(OTHER, single), Imported(HELLO, root))
    assert other_store.resolve(HELLO) == root
    assert other_store.resolve(OTHER) == single
    assert set(other_store.blobs) == set(store.blobs)
    assert other_store.check() == []


def test_equal_images_make_equal_archives(store, make, make_in, other_store):
    root, second = make.image("linux/amd64", "linux/arm64"), make.image("linux/arm64")
    make_in(other_store).image("linux/arm64")
    make_in(other_store).image("linux/amd64", "linux/arm64")
    archive = exported(store, (HELLO, root), (OTHER, second))
    assert archive == exported(other_store, (OTHER, second), (HELLO, root))
    names = [name for name, _ in contents(archive)]
    assert names[:2] == ["oci-layout", "index.json"]
    assert names[2:] == sorted(set(names[2:]))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in tar} == {(0, 0, 0, "", 0o644)}


def test_only_what_the_images_need_is_exported(store, make):
    root = make.image("linux/arm64")
    store.blobs.put(b"unrelated", "layer")
    assert len(contents(exported(store, (HELLO, root)))) == 2 + 4


def test_platforms_that_were_not_pulled_are_left_out(store, make, other_store):
    pulled, other = make.variant("linux/arm64"), make.variant("linux/amd64")
    root = make.index(pulled.manifest, other.manifest)
    for blob in (other.manifest, other.config, *other.layers):
        store.blobs.delete(blob.digest)
    import_archive(other_store, io.BytesIO(exported(store, (HELLO, root))))
    assert set(other_store.blobs) == set(store.blobs)


def test_an_image_with_a_hole_is_not_exported(store, make, tmp_path):
    made = make.variant("linux/arm64")
    store.blobs.delete(made.layers[0].digest)
    with pytest.raises(NotFoundError):
        save_archive(store.blobs, [(HELLO, made.manifest)], tmp_path / "out.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_saving_replaces_a_file_and_uses_up_what_a_killed_process_left(store, make, tmp_path):
    root = make.image("linux/arm64")
    target = tmp_path / "out.tar"
    target.write_bytes(b"old")
    (tmp_path / ".out.tar.partial").write_bytes(b"x" * 100_000)
    save_archive(store.blobs, [(HELLO, root)], target)
    assert target.read_bytes() == exported(store, (HELLO, root))
    assert {path.name for path in tmp_path.iterdir()} == {"store", "out.tar"}


def test_a_bare_tag_is_not_taken_for_a_name(store, make, other_store):
    root = make.image("linux/arm64")
    members = dict(contents(exported(store, (HELLO, root))))
    index = json.loads(members["index.json"])
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "1.0"}
    members["index.json"] = json.dumps(index).encode()
    archive = tar_of(members.items())
    assert import_archive(other_store, io.BytesIO(archive)) == (Imported(None, root),)
    assert other_store.images() == []


def test_order_dot_slash_other_files_and_pax_headers_do_not_matter(store, make, other_store):
    root = make.image("linux/arm64")
    members = contents(exported(store, (HELLO, root)))
    random.Random(1).shuffle(members)
    members = [("./" + name, content) for name, content in members]
    extra = [("manifest.json", b"[]"), ("../../escape", b"x"), ("/absolute", b"x")]
    archive = tar_of(
        [*extra, *members], format=tarfile.PAX_FORMAT, mtime=1.5, pax_headers={"comment": "é"}
    )
    before = sorted(other_store.root.parent.iterdir())
    assert import_archive(other_store, io.BytesIO(archive)) == (Imported(HELLO, root),)
    assert sorted(other_store.root.parent.iterdir()) == before
    assert other_store.check() == []


def test_a_size_from_a_pax_header_counts(store, make, other_store):
    """As archives with blobs above 8 GiB have it; here the ustar field says 0."""
    root = make.image("linux/arm64")
    members = contents(exported(store, (HELLO, root)))
    stream = io.BytesIO()
    for name, content in members:
        record = f"size={len(content)}\n"
        body = f"{len(record) + 3} {record}".encode()
        extended = tarfile.TarInfo("PaxHeaders/0")
        extended.type, extended.size = tarfile.XHDTYPE, len(body)
        for header, data in ((extended, body), (tarfile.TarInfo(name), content)):
            stream.write(header.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512))
    stream.seek(0)
    assert import_archive(other_store, stream) == (Imported(HELLO, root),)


def test_altered_blobs_are_refused(store, make, other_store):
    members = contents(exported(store, (HELLO, make.image("linux/arm64"))))
    name, content = members[-1]
    members[-1] = (name, content[:-1] + b"?")
    with pytest.raises(DigestMismatchError):
        import_archive(other_store, io.BytesIO(tar_of(members)))
    assert other_store.images() == []
    assert list(other_store.blobs.ingest.iterdir()) == []


def test_missing_blobs_are_noticed_before_anything_is_named(store, make, other_store):
    first, second = make.image("linux/arm64"), make.variant("linux/amd64")
    members = dict(contents(exported(store, (OTHER, first), (HELLO, second.manifest))))
    del members[f"blobs/sha256/{second.layers[0].digest.hex}"]
    with pytest.raises(NotFoundError):
        import_archive(other_store, io.BytesIO(tar_of(members.items())))
    assert other_store.images() == []


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (b"", "it has no index.json"),
        (b"\x1f\x8b" + bytes(600), "it is compressed"),
        (b"not a tar" * 100, "not a tar"),
        (b"short", "truncated"),
        (tar_of([("index.json", b"{}" * 5000)])[:2000], "truncated"),
        (tar_of([("index.json", b" " * (5 << 20))]), "bytes"),
        (tar_of([("blobs/md5/abc", b"")]), "not a digest"),
        (tar_of([("index.json", b"{}")], type=tarfile.SYMTYPE), "it has no index.json"),
        (tar_of([("index.json", b"{}")], type=tarfile.GNUTYPE_SPARSE), "it has no index.json"),
    ],
)
def test_what_is_no_image_archive_is_named(other_store, archive, why):
    with pytest.raises(ManifestError, match=why):
        import_archive(other_store, io.BytesIO(archive))


def test_an_absurd_size_ends_with_the_input(other_store):
    header = tarfile.TarInfo(f"blobs/sha256/{Digest.of(b'').hex}x")
    header.size = 1 << 62
    with pytest.raises(ManifestError, match="truncated"):
        import_archive(other_store, io.BytesIO(header.tobuf(tarfile.GNU_FORMAT) + bytes(5000)))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_archive_surprises_us(store, make, tmp_path_factory, data):
    """Bytes altered, inserted and cut anywhere: an import succeeds or explains itself."""
    archive = bytearray(exported(store, (HELLO, make.image("linux/arm64"))))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(archive) - 1))
        replacement = data.draw(st.binary(max_size=8))
        length = data.draw(st.sampled_from([0, 1, len(replacement), 512]))
        archive[position : position + length] = replacement
    target = Store(tmp_path_factory.mktemp("fuzzed"))
    try:
        import_archive(target, io.BytesIO(archive))
    except AmphoraError:
        assert target.images() == []
    assert target.check() == []


class TestSkopeo:
    """Debian's skopeo reads what we write, and we read what it writes."""

    @pytest.fixture
    def archive(self, store, make, tmp_path):
        """Two platforms in an archive; the layers are real (empty) tars."""
        empty_tar = bytes(1024).decode()
        root = make.index(
            *(make.variant(name, empty_tar).manifest for name in ("linux/amd64", "linux/arm64"))
        )
        store.tag(HELLO, root)
        path = tmp_path / "image.tar"
        save_archive(store.blobs, [(HELLO, root)], path)
        return path

    def skopeo(self, *arguments):
        skopeo = shutil.which("skopeo")
        assert skopeo, "skopeo is not installed: run `make setup`"
        done = subprocess.run(
            [skopeo, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @pytest.mark.parametrize("architecture", ["amd64", "arm64"])
    def test_it_inspects_an_archive_by_name(self, archive, architecture):
        found = json.loads(
            self.skopeo(
                "inspect", "--override-arch", architecture, f"oci-archive:{archive}:{HELLO}"
            )
        )
        assert found["Architecture"] == architecture

    def test_it_reads_the_store_itself(self, store, archive):
        raw = self.skopeo("inspect", "--raw", f"oci:{store.root}:{HELLO}")
        assert Digest.of(raw.encode()) == store.resolve(HELLO).digest

    def test_a_copy_by_skopeo_comes_back_the_same(self, store, archive, other_store, tmp_path):
        copy = tmp_path / "copy.tar"
        self.skopeo("copy", "--all", "--preserve-digests", f"oci-archive:{archive}:{HELLO}",
                    f"oci-archive:{copy}:{OTHER}")  # fmt: skip
        with copy.open("rb") as file:
            (imported,) = import_archive(other_store, file)
        assert imported.reference == OTHER
        assert replace(imported.descriptor, annotations={}) == store.resolve(HELLO)
        assert other_store.check() == []
