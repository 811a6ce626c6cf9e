"""A root file system to run programs in, for each platform of the busybox image."""

import pytest

from amphora.core.reference import Reference
from amphora.oci.archive import import_archive
from amphora.oci.graph import image_for
from amphora.oci.layers.apply import apply_layer
from amphora.oci.layers.compression import LayerReader
from amphora.oci.store import Store


@pytest.fixture(scope="session")
def busybox_root(busybox_archive, in_worker, tmp_path_factory):
    """Call it with a platform to get its root, unpacked by the code that unpacks images."""
    directory = tmp_path_factory.mktemp("roots")
    store = Store(directory / "store")
    with busybox_archive.open("rb") as archive:
        import_archive(store, archive)

    def root(platform):
        path = directory / str(platform).replace("/", "-")
        if not path.exists():
            path.mkdir()
            in_worker(lambda: unpack(store, platform, path))
        return path

    return root


def unpack(store, platform, root):
    image = store.resolve(Reference.parse("busybox"))
    _, manifest, config = image_for(store.blobs, image, platform)
    for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
        with store.blobs.open(layer.digest) as blob:
            apply_layer(LayerReader(blob), root, expected=diff_id)
