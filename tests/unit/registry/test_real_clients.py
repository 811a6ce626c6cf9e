"""skopeo against our server: what Debian's own tools push and pull is what we serve."""

import shutil
import subprocess

import msgspec
import pytest

from amphora.core.descriptor import OCI_INDEX, Descriptor
from amphora.oci.blobs import BlobStore
from amphora.oci.model import Index
from amphora.registry.client import Registry

pytestmark = pytest.mark.skipif(
    shutil.which("skopeo") is None, reason="skopeo is not installed: apt-get install skopeo"
)


def skopeo(*arguments: str) -> str:
    finished = subprocess.run(
        ["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def layout(tmp_path, make_image):
    """An OCI layout on disk with one two-platform image called `it`."""
    blobs = BlobStore(tmp_path / "layout")
    root = make_image(blobs, compressed=True)
    named = Descriptor(
        OCI_INDEX, root.digest, root.size, annotations={"org.opencontainers.image.ref.name": "it"}
    )
    (blobs.root / "index.json").write_bytes(Index((named,)).encode())
    (blobs.root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return blobs, root


def test_skopeo_copies_an_index_in_and_out(server, layout, tmp_path):
    blobs, root = layout
    image = f"docker://{server.domain}/team/app:1.0"
    source = f"oci:{blobs.root}:it"
    skopeo("copy", "--all", "--dest-tls-verify=false", source, image)
    out = tmp_path / "out"
    skopeo("copy", "--all", "--src-tls-verify=false", image, f"oci:{out}:it")
    listed = Index.decode((out / "index.json").read_bytes()).manifests
    assert [item.digest for item in listed] == [root.digest]
    assert {path.name for path in (out / "blobs/sha256").iterdir()} == {
        digest.hex for digest in blobs
    }


def test_what_we_push_skopeo_reads_and_the_other_way_round(server, layout, client, tmp_path):
    blobs, root = layout
    target = BlobStore(tmp_path / "target")

    async def push(registry: Registry) -> None:
        await registry.push(blobs, root, server.reference("ours:1"))

    async def pull(registry: Registry) -> Descriptor:
        return await registry.pull(server.reference("theirs:1"), target)

    client(server.domain, push)
    ours, theirs = (f"docker://{server.domain}/{name}:1" for name in ("ours", "theirs"))
    raw = skopeo("inspect", "--raw", "--tls-verify=false", ours)
    assert raw.encode() == blobs.read(root.digest)
    skopeo("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", ours, theirs)
    assert client(server.domain, pull).digest == root.digest
    assert set(target) == set(blobs)


def test_skopeo_logs_in_lists_and_deletes(run_registry, layout, tmp_path):
    blobs, _ = layout
    with run_registry(tmp_path / "guarded", users={"ann": "secret"}) as server:
        image = f"docker://{server.domain}/app"
        plain = ("--all", "--dest-tls-verify=false")
        right = (*plain, "--dest-creds=ann:secret")
        skopeo("copy", *right, f"oci:{blobs.root}:it", f"{image}:1")
        with pytest.raises(AssertionError, match=r"unauthorized|user and password"):
            skopeo("copy", *plain, "--dest-creds=ann:no", f"oci:{blobs.root}:it", f"{image}:2")
        login = ("--tls-verify=false", "--creds=ann:secret")
        listed = msgspec.json.decode(skopeo("list-tags", *login, image))
        assert listed["Tags"] == ["1"]
        skopeo("delete", *login, f"{image}:1")
        assert msgspec.json.decode(skopeo("list-tags", *login, image))["Tags"] == []
