"""Archives for `docker load`, and layouts as directories."""

import io
import json
import tarfile

import pytest

from amphora.core.errors import InvalidValueError, ManifestError
from amphora.core.reference import Reference
from amphora.oci.docker_archive import export_docker_archive
from amphora.oci.layout import export_layout, import_layout
from amphora.oci.referrers import put_artifact
from amphora.oci.store import Store

HELLO, OTHER = Reference.parse("hello"), Reference.parse("localhost:5000/other:2")


def contents(*arguments):
    output = io.BytesIO()
    export_docker_archive(*arguments, output)
    with tarfile.open(fileobj=io.BytesIO(output.getvalue())) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


@pytest.mark.parametrize("in_an_index", [False, True])
def test_dockers_list_names_files_of_the_archive(store, make, in_an_index):
    made = make.variant("linux/amd64", "one", "two")
    image = make.index(made.manifest) if in_an_index else made.manifest
    files = contents(store.blobs, [HELLO, OTHER], image)
    [item] = json.loads(files["manifest.json"])
    assert item["RepoTags"] == ["hello:latest", "localhost:5000/other:2"]
    assert json.loads(files[item["Config"]])["architecture"] == "amd64"
    assert [files[layer] for layer in item["Layers"]] == [b"one", b"two"]
    [first, second] = json.loads(files["index.json"])["manifests"]
    assert first["digest"] == second["digest"] == str(image.digest)


def test_an_image_without_a_name_is_in_the_index_all_the_same(store, make):
    image = make.variant("linux/amd64").manifest
    files = contents(store.blobs, [], image)
    [item] = json.loads(files["manifest.json"])
    assert item["RepoTags"] is None
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["digest"] == str(image.digest)
    assert "annotations" not in entry


def test_several_platforms_have_no_place_in_it(store, make):
    with pytest.raises(InvalidValueError, match="2 platforms"):
        contents(store.blobs, [], make.image("linux/amd64", "linux/arm64"))


def test_a_layout_keeps_what_it_held_under_other_names(store, make, tmp_path):
    directory = tmp_path / "new/layout"
    first, second = make.image("linux/amd64"), make.image("linux/arm64")
    export_layout(store.blobs, [(HELLO, first), (None, second)], directory)
    export_layout(store.blobs, [(OTHER, first)], directory)
    export_layout(store.blobs, [(HELLO, second), (None, second)], directory)
    entries = json.loads((directory / "index.json").read_text())["manifests"]
    named = {
        entry.get("annotations", {}).get("org.opencontainers.image.ref.name"): entry["digest"]
        for entry in entries
    }
    assert len(entries) == 3
    assert named == {
        str(HELLO): str(second.digest),
        str(OTHER): str(first.digest),
        None: str(second.digest),
    }
    assert sorted(path.name for path in directory.iterdir()) == [
        "blobs",
        "index.json",
        "oci-layout",
    ]
    copy = Store(tmp_path / "copy")
    assert import_layout(copy.blobs, directory, tag=str(HELLO)).digest == second.digest


def test_a_directory_that_is_something_else_is_left_alone(store, make, tmp_path):
    (tmp_path / "index.json").write_text('{"name": "an npm package"}')
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ManifestError):
        export_layout(store.blobs, [(HELLO, make.image("linux/amd64"))], tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_attached_goes_with_an_image_that_is_replaced(store, make, tmp_path):
    first, second = make.image("linux/amd64"), make.image("linux/arm64")
    said = put_artifact(store.blobs, first, "application/vnd.example", [])
    signed = put_artifact(store.blobs, said, "application/vnd.example", [])
    other = put_artifact(store.blobs, second, "application/vnd.example", [])
    stranger = put_artifact(store.blobs, make.image("linux/386"), "application/vnd.example", [])

    def digests(*images):
        export_layout(store.blobs, images, tmp_path)
        entries = json.loads((tmp_path / "index.json").read_text())["manifests"]
        return [entry["digest"] for entry in entries]

    def expected(*items):
        return [str(item.digest) for item in items]

    attached = ((None, said), (None, signed))
    assert digests((HELLO, first), (None, stranger), *attached) == expected(
        first, stranger, said, signed
    )
    assert digests((OTHER, first)) == expected(first, stranger, said, signed, first)
    assert digests((HELLO, second), (None, other)) == expected(
        stranger, said, signed, first, second, other
    )
    assert digests((OTHER, second)) == expected(stranger, second, other, second)


def test_a_damaged_layout_keeps_what_is_attached(store, make, tmp_path):
    first, second = make.image("linux/amd64"), make.image("linux/arm64")
    said = put_artifact(store.blobs, first, "application/vnd.example", [])
    export_layout(store.blobs, [(HELLO, first), (None, said)], tmp_path)
    (tmp_path / f"blobs/sha256/{first.digest.hex}").write_text("{")
    export_layout(store.blobs, [(HELLO, second)], tmp_path)
    entries = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert [entry["digest"] for entry in entries] == [str(said.digest), str(second.digest)]
