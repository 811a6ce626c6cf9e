"""Tars made by Python's own tarfile, and trees as comparable values."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from amphora.oci.layers.apply import AppliedLayer, apply_layer


class TarMaker:
    """Collects entries; `bytes` is the tar."""

    def __init__(self, style: int = tarfile.PAX_FORMAT) -> None:
        self._file = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=style)  # noqa: SIM115

    def add(self, name: str, content: bytes = b"", **fields) -> "TarMaker":
        info = tarfile.TarInfo(name)
        info.size = len(content)
        info.uid, info.gid = os.getuid(), os.getgid()
        for field, value in fields.items():
            setattr(info, field, value)
        self._tar.addfile(info, io.BytesIO(content))
        return self

    def directory(self, name: str, **fields) -> "TarMaker":
        return self.add(name, type=tarfile.DIRTYPE, **{"mode": 0o755, **fields})

    def symlink(self, name: str, target: str, **fields) -> "TarMaker":
        return self.add(name, type=tarfile.SYMTYPE, linkname=target, **fields)

    def hardlink(self, name: str, target: str) -> "TarMaker":
        return self.add(name, type=tarfile.LNKTYPE, linkname=target)

    @property
    def bytes(self) -> bytes:
        self._tar.close()
        return self._file.getvalue()

    def apply(self, root: Path, **options) -> AppliedLayer:
        return apply_layer(io.BytesIO(self.bytes), root, **options)


def below(root: Path) -> list[Path]:
    """Every path in a tree; links are not looked at (Path.rglob asks where they lead)."""
    return [
        Path(directory, name)
        for directory, directories, files in os.walk(root)
        for name in directories + files
    ]


def picture(root: Path, *, inodes: bool = False) -> dict[str, tuple]:
    """What a layer says about a tree; with `inodes`, also what no change leaves as it was."""
    seen = {}
    for path in below(root):
        status = path.lstat()
        facts = [status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns // 10**9]
        if stat.S_ISREG(status.st_mode):
            facts += [path.read_bytes(), status.st_nlink]
        elif stat.S_ISLNK(status.st_mode):
            facts += [path.readlink()]
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            facts += [(name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))]
        if inodes:
            facts += [status.st_ino, status.st_ctime_ns]
        seen[str(path.relative_to(root))] = tuple(facts)
    return seen


@pytest.fixture
def tar() -> TarMaker:
    return TarMaker()


@pytest.fixture(scope="session")
def tar_maker() -> type[TarMaker]:
    return TarMaker


@pytest.fixture(scope="session", name="picture")
def picture_fixture():
    return picture
