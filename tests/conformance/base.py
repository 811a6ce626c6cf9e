"""The images that the cases begin with: Debian's static busybox, laid out by hand.

`busybox:latest` has a variant for each of two platforms. Only this machine's is ever run;
/etc/arch tells which one somebody looks at.
"""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from amphora.oci.config import DEFAULT_PATH

NAME = "busybox"
ARCHITECTURES = ("amd64", "arm64")

#: With those that something is mounted on: BuildKit leaves them behind where they are missing.
_DIRECTORIES = ("bin", "dev", "etc", "proc", "sys", "tmp")
_PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "bin:x:2:2:bin:/bin:/bin/sh\n"
    "mail:x:8:12:mail:/var/mail:/bin/sh\n"
)
_GROUP = "root:x:0:\nbin:x:2:\nmail:x:12:\nstaff:x:50:mail\n"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def make_base(directory: Path) -> str:
    """Make an OCI image layout of it; returns the digest of the index."""
    manifests = [
        {**_put_variant(directory, each), "platform": {"os": "linux", "architecture": each}}
        for each in ARCHITECTURES
    ]
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    descriptor = _put_document(directory, index, _INDEX)
    named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": "latest"}}
    outer = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [named]}
    (directory / "index.json").write_text(json.dumps(outer))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return descriptor["digest"]


def _put_variant(directory: Path, architecture: str) -> dict[str, Any]:
    layer = _layer(architecture)
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {"Env": [f"PATH={DEFAULT_PATH}"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "busybox"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _put_document(directory, config, _CONFIG),
        "layers": [_put(directory, layer, _LAYER)],
    }
    return _put_document(directory, manifest, _MANIFEST)


def _put_document(directory: Path, document: dict[str, Any], media_type: str) -> dict[str, Any]:
    return _put(directory, json.dumps(document).encode(), media_type)


def _put(directory: Path, content: bytes, media_type: str) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    path = directory / "blobs/sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _layer(architecture: str) -> bytes:
    """/bin with every applet, a few users, /tmp for everybody, and where mounts go."""
    program = shutil.which("busybox")
    if program is None:
        raise FileNotFoundError("busybox: make setup-test installs it")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _DIRECTORIES:
            _add(tar, name, 0o1777 if name == "tmp" else 0o755, kind=tarfile.DIRTYPE)
        _add(tar, "bin/busybox", 0o755, Path(program).read_bytes())
        for applet in subprocess.check_output([program, "--list"], text=True).split():
            if applet != "busybox":
                _add(tar, f"bin/{applet}", 0o777, kind=tarfile.SYMTYPE, link="busybox")
        _add(tar, "etc/passwd", 0o644, _PASSWD.encode())
        _add(tar, "etc/group", 0o644, _GROUP.encode())
        _add(tar, "etc/arch", 0o644, f"{architecture}\n".encode())
    return buffer.getvalue()


def _add(
    tar: tarfile.TarFile,
    name: str,
    mode: int,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), link
    tar.addfile(entry, io.BytesIO(content))
