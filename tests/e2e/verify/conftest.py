"""Images of busybox and planted files, and `amphora verify` on them."""

import json

import pytest

from amphora.core.reference import Reference
from amphora.oci.assembly import put_image, put_index
from amphora.oci.config import ContainerConfig, ImageConfig
from amphora.oci.graph import image_for
from amphora.oci.layers.diff import write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.store import Store


@pytest.fixture
def make(seeded, tmp_path):
    """Store an image: for each platform a tree of files on top of busybox, or alone."""

    def make(name, variants, *, alone=False, created=None, **config):
        store = Store(seeded.store)
        base = store.resolve(Reference.parse("busybox"))
        manifests = []
        for platform, content in variants:
            tree = tmp_path / f"tree-{len(list(tmp_path.iterdir()))}"
            for path, text in content.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(text if isinstance(text, bytes) else text.encode())
                (tree / path).chmod(0o755)
            tree.mkdir(exist_ok=True)
            with LayerWriter(store.blobs) as writer:
                write_tree(tree, writer)
                layer = writer.commit()
            _, below, below_config = image_for(store.blobs, base, platform)
            layers, diff_ids = ([], ()) if alone else (below.layers, below_config.diff_ids)
            diff_ids = (*diff_ids, layer.diff_id)
            made = ImageConfig(platform, ContainerConfig(**config), diff_ids, created=created)
            manifests.append(put_image(store.blobs, made, [*layers, layer.descriptor]))
        store.tag(Reference.parse(name), put_index(store.blobs, manifests))

    return make


@pytest.fixture
def verify(seeded, tmp_path):
    """The reports by platform, and the exit status; run in an empty directory."""

    def verify(name, *arguments):
        here = tmp_path / "here"
        here.mkdir(exist_ok=True)
        done = seeded("verify", "--format", "json", *arguments, name, cwd=here)
        assert done.stdout, done.stderr
        reports = json.loads(done.stdout)
        return {report["platform"]: report for report in reports}, done.returncode

    return verify
