"""Builds as values: what the program said, and what is in the image it stored."""

import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cpus import NATIVE

from amphora.core.descriptor import OCI_INDEX, Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.config import ImageConfig
from amphora.oci.graph import image_for, read_document
from amphora.oci.layers.compression import LayerReader
from amphora.oci.store import Store

_KINDS = {tarfile.REGTYPE: "-", tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l", tarfile.LNKTYPE: "h"}


@dataclass(frozen=True)
class File:
    """An entry of a layer; `kind` is the letter that `ls -l` shows."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: float
    link: str
    text: str


@dataclass(frozen=True)
class Built:
    """What `amphora build --format json` printed about an image in this store."""

    store: Path
    said: dict
    errors: str

    @property
    def digest(self) -> str:
        return self.said["digest"]

    def ran(self) -> dict[str, list[str]]:
        """Where the steps ran, by the first words of their instructions."""
        places: dict[str, list[str]] = {}
        for step in self.said["steps"]:
            title = step["title"].partition("] ")[2] or step["title"]
            places.setdefault(title, []).append(step["ran"])
        return {title: sorted(where) for title, where in places.items()}

    def variant(self, platform: str = NATIVE):
        """The manifest and config of one platform."""
        store = Store(self.store)
        media_type = OCI_INDEX if len(self.said["variants"]) > 1 else ""
        digest = Digest.parse(self.said["digest"])
        if not media_type:
            media_type = json.loads(read_document(store.blobs, digest))["mediaType"]
        root = Descriptor(media_type, digest, store.blobs.size(digest))
        return image_for(store.blobs, root, Platform.parse(platform))[1:]

    def config(self, platform: str = NATIVE) -> ImageConfig:
        return self.variant(platform)[1]

    def layer_digests(self, platform: str = NATIVE) -> list[str]:
        """Without the base image's layer."""
        return [str(layer.digest) for layer in self.variant(platform)[0].layers[1:]]

    def layer(self, number: int, platform: str = NATIVE) -> dict[str, File]:
        """The entries of a layer above the base (0 is the first) by name."""
        blobs = Store(self.store).blobs
        descriptor = self.variant(platform)[0].layers[1 + number]
        with blobs.open(descriptor.digest) as blob:
            reader, content = LayerReader(blob), b""
            while chunk := reader.read(1 << 20):
                content += chunk
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return {member.name: _file(tar, member) for member in tar}

    def text(self, path: str, platform: str = NATIVE) -> str:
        """The content of a file in the topmost layer that has it."""
        for number in reversed(range(len(self.layer_digests(platform)))):
            entries = self.layer(number, platform)
            if path in entries:
                return entries[path].text
        raise FileNotFoundError(path)


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    text = tar.extractfile(member).read().decode(errors="replace") if member.isreg() else ""
    return File(
        kind=_KINDS[member.type],
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        mtime=member.mtime,
        link=member.linkname,
        text=text,
    )


@dataclass
class Builder:
    """A build context; call it to build it."""

    amphora: object
    directory: Path
    arguments: list[str] = field(default_factory=list)

    def write(self, dockerfile: str, **files: str) -> "Builder":
        """Write the Dockerfile and other files; `__` in a name stands for a slash."""
        self.directory.mkdir(exist_ok=True)
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            path = self.directory / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return self

    def run(self, *arguments: str):
        """What the program did, whether it succeeded or not."""
        return self.amphora("build", *arguments, "--format", "json", self.directory)

    def __call__(self, *arguments: str) -> Built:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return Built(self.amphora.store, json.loads(done.stdout), done.stderr)


@pytest.fixture
def build(seeded, tmp_path) -> Builder:
    return Builder(seeded, tmp_path / "context")


@pytest.fixture
def build_elsewhere():
    """A Builder for another store or another directory."""
    return Builder


@pytest.fixture
def built():
    """What a command printed, as a value."""
    return Built
