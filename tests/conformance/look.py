"""What came out of a build, read from an OCI image layout by the standard library alone.

So that a mistake in our own reading of layers cannot hide one in our writing.
https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import zstandard

_LONGEST = 400
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class File:
    """A file of an image; `content` is what is behind its name in a line."""

    kind: str
    mode: int
    owner: str
    content: str = ""

    def line(self, path: str) -> str:
        """`MODE UID:GID /PATH "CONTENT"`, `/DIRECTORY/` or `/LINK -> TARGET`."""
        name = f"{path}/" if self.kind == "directory" else path
        return f"{self.mode:o} {self.owner} {name} {self.content}".rstrip()


_IMPLIED = File("directory", 0o755, "0:0")


@dataclass(frozen=True)
class Image:
    """The files of an image by path, its config document, and the times of files."""

    files: Mapping[str, File]
    document: Mapping[str, Any]
    times: Mapping[str, int] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """Without what is empty, and what is only for Windows (ArgsEscaped)."""
        config = self.document.get("config", {})
        return {name: value for name, value in config.items() if value and name != "ArgsEscaped"}

    def beyond(self, base: "Image") -> list[str]:
        """The lines of what is not as in the base image, sorted; `gone /PATH` for what it had."""
        lines = [
            file.line(path) for path, file in self.files.items() if base.files.get(path) != file
        ]
        gone = (f"gone {path}" for path in base.files if path not in self.files)
        return sorted([*lines, *gone])

    def starts_with(self, base: "Image") -> bool:
        """Do its layers go on where the base's end?"""
        first = base.document["rootfs"]["diff_ids"]
        return (self.document["rootfs"]["diff_ids"] or [])[: len(first)] == first


NOTHING = Image({}, {"rootfs": {"diff_ids": []}})


def read_image(layout: Path, digest: str) -> Image:
    """The image of a manifest, or of the only one in an index."""
    document = json.loads(_blob(layout, digest))
    if "manifests" in document:
        (only,) = document["manifests"]
        return read_image(layout, only["digest"])
    files: dict[str, File] = {}
    times: dict[str, int] = {}
    for layer in document["layers"] or ():  # Go writes null for none
        _apply(files, times, _uncompressed(layout, layer["digest"]))
    return Image(files, json.loads(_blob(layout, document["config"]["digest"])), times)


def _blob(layout: Path, digest: str) -> bytes:
    content = _path(layout, digest).read_bytes()
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    return content


def _path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":"))


def _uncompressed(layout: Path, digest: str) -> tarfile.TarFile:
    path = _path(layout, digest)
    if path.read_bytes()[:4] == _ZSTD:
        return tarfile.open(fileobj=zstandard.open(path), mode="r|")
    return tarfile.open(path)


def _apply(files: dict[str, File], times: dict[str, int], tar: tarfile.TarFile) -> None:
    """Put a layer on top: first what it takes away, then what it brings, with its times."""
    brought: dict[str, File] = {}
    with tar:
        for member in tar:
            path = PurePosixPath("/", member.name)
            if path.name == ".wh..wh..opq":
                _remove_below(files, str(path.parent))
            elif path.name.startswith(".wh."):
                gone = str(path.with_name(path.name.removeprefix(".wh.")))
                files.pop(gone, None)
                _remove_below(files, gone)
            elif path.name:
                _bring(files, brought, tar, member)
                times[str(path)] = int(member.mtime)
    for name, file in brought.items():
        if file.kind != "directory":
            _remove_below(files, name)
        files[name] = file


def _bring(
    files: dict[str, File], brought: dict[str, File], tar: tarfile.TarFile, member: tarfile.TarInfo
) -> None:
    path = PurePosixPath("/", member.name)
    for parent in path.parents:
        if parent.name and str(parent) not in files:
            brought.setdefault(str(parent), _IMPLIED)
    if member.islnk():
        target = str(PurePosixPath("/", member.linkname))
        brought[str(path)] = brought.get(target) or files[target]
    else:
        brought[str(path)] = _file(tar, member)


def _remove_below(files: dict[str, File], directory: str) -> None:
    for name in [name for name in files if name.startswith(f"{directory.rstrip('/')}/")]:
        del files[name]


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    mode, owner = member.mode & 0o7777, f"{member.uid}:{member.gid}"
    if member.isdir():
        return File("directory", mode, owner)
    if member.issym():
        return File("link", 0o777, owner, f"-> {member.linkname}")
    if member.isfifo():
        return File("fifo", mode, owner, "fifo")
    reader = tar.extractfile(member)
    assert reader is not None, f"{member.name} is of type {member.type!r}"
    return File("file", mode, owner, _shown(reader.read()))


def _shown(content: bytes) -> str:
    """As a JSON text if it is a short one; else by the beginning of its digest."""
    try:
        text = json.dumps(content.decode(), ensure_ascii=False)
    except UnicodeDecodeError:
        text = ""
    if text and len(text) <= _LONGEST:
        return text
    return f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"
