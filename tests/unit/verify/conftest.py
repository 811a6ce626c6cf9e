"""Images of planted files, verified without running anything."""

import io
import tarfile

import pytest
from msgspec.structs import replace

from amphora.core.platform import Platform
from amphora.oci.assembly import put_image, put_index
from amphora.oci.config import ContainerConfig, History, ImageConfig
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.store import Store
from amphora.verify.static import StaticRequest, verify_static


def layer_of(files):
    """A tar; content is bytes (a program), text (not executable), a link, or None: a directory."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            data = b""
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, tuple):
                kind, info.linkname = content
                info.type = {"symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}[kind]
            else:
                data = content if isinstance(content, bytes) else content.encode()
                info.mode = 0o755 if isinstance(content, bytes) else 0o644
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


class Images:
    """Puts images together in a store and verifies them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def variant(self, platform, *layers, called=None, history=True, **config):
        """One variant; `called` is what the index says of it, where that is something else."""
        blobs = []
        for files in layers:
            with LayerWriter(self.store.blobs) as writer:
                writer.write(layer_of(files))
                blobs.append(writer.commit())
        lines = [History(created_by=f"COPY {number} / # buildkit") for number in range(len(blobs))]
        made = ImageConfig(
            Platform.parse(platform),
            ContainerConfig(**config),
            tuple(blob.diff_id for blob in blobs),
            history=(History(created_by="ENV A=1", empty_layer=True), *lines) if history else (),
        )
        manifest = put_image(self.store.blobs, made, [blob.descriptor for blob in blobs])
        return replace(manifest, platform=Platform.parse(called)) if called else manifest

    def verify(self, *manifests, **request):
        image = put_index(self.store.blobs, manifests)
        return verify_static(StaticRequest(image, **request), self.store)

    def findings(self, platform, *layers, request=None, **config):
        """What is found in an image of one variant."""
        manifest = self.variant(platform, *layers, **config)
        return self.verify(manifest, **(request or {}))[0].findings


@pytest.fixture
def images(tmp_path):
    return Images(Store(tmp_path / "store"))
