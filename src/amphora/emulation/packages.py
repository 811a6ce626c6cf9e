"""Which package, of which version, a file of a Debian or Ubuntu image came from.

https://www.debian.org/doc/debian-policy/ch-controlfields.html, dpkg-query(1)
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Self

from msgspec import Struct, field

from amphora.core.paragraphs import paragraphs
from amphora.system.roots import list_in_root, read_in_root

#: OCI's platform → Debian's name of the port.
PORTS = {
    "linux/386": "i386",
    "linux/amd64": "amd64",
    "linux/arm/v5": "armel",
    "linux/arm/v6": "armel",
    "linux/arm/v7": "armhf",
    "linux/arm64": "arm64",
    "linux/loong64": "loong64",
    "linux/mips64le": "mips64el",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}

_STATUS = "var/lib/dpkg/status"
#: What dpkg has not merged into the status yet, while it works: one package a file.
_UPDATES = "var/lib/dpkg/updates"
_INFO = "var/lib/dpkg/info"
#: Several times what the largest real systems have; the rest is not read.
_LARGEST_FILE = 16 << 20

#: The states in which a package's files are those of its version, all of them.
_UNPACKED = ("installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")

_FIELDS = ("Package", "Version", "Status")

#: The suffixes of a package that was built again from the same source: as a cross compiler,
#: or for one CPU only (a binary-only upload).
_BUILT_AGAIN = re.compile(r"(cross\d+|\+b\d+)+$")


class Packages(Struct, frozen=True):
    """The packages that are there: versions by name; for the paths asked for, owners and digests.

    A digest is the MD5 (in hex) of a file as it was packed.
    """

    versions: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, paths: Collection[str] = ()) -> Self:
        """From dpkg's database below a root, even while dpkg works; empty if there is none."""
        versions = _versions(root)
        if not versions or not paths:
            return cls(versions)
        owners = _owners(root, paths)
        return cls(versions, owners, _digests(root, owners))


def _versions(root: Path) -> dict[str, str]:
    versions: dict[str, str] = {}
    updates = [f"{_UPDATES}/{name}" for name in list_in_root(root, _UPDATES) if name.isdigit()]
    for file in (_STATUS, *updates):
        content = read_in_root(root, file, _LARGEST_FILE) or b""
        for fields in paragraphs(content, _FIELDS):
            state = fields.get("Status", "").rpartition(" ")[2]
            if state in _UNPACKED and len(fields) == 3:
                versions[fields["Package"]] = fields["Version"]
            else:
                versions.pop(fields.get("Package", ""), None)
    return versions


def same_version(ours: str | None, theirs: str | None) -> bool:
    """The same upstream version and revision: both were made from the very same source."""
    if ours is None or theirs is None:
        return False
    return _BUILT_AGAIN.sub("", ours) == _BUILT_AGAIN.sub("", theirs)


def upstream(version: str) -> str:
    """A version without the revision: what the authors released, whoever packed it."""
    plain = _BUILT_AGAIN.sub("", version)
    return plain.rpartition("-")[0] or plain


def _owners(root: Path, paths: Collection[str]) -> dict[str, str]:
    wanted = {f"/{name}": path for name, path in _names(paths).items()}
    found = {}
    for package, line in _lines(root, ".list"):
        path = wanted.get(line)
        if path is not None:
            found[path] = package
    return found


def _digests(root: Path, owners: Mapping[str, str]) -> dict[str, str]:
    wanted = _names(owners)
    found = {}
    for package, line in _lines(root, ".md5sums"):
        digest, _, name = line.partition("  ")
        path = wanted.get(name)
        if path is not None and owners[path] == package:
            found[path] = digest
    return found


def _names(paths: Collection[str]) -> dict[str, str]:
    """Packages may name a file in bin that is in usr/bin since the two were merged."""
    return {path.removeprefix("usr/"): path for path in paths} | {path: path for path in paths}


def _lines(root: Path, kind: str) -> Iterator[tuple[str, str]]:
    """The package, and a line, of every file of a kind in dpkg's database."""
    for name in list_in_root(root, _INFO):
        if name.endswith(kind):
            content = read_in_root(root, f"{_INFO}/{name}", _LARGEST_FILE) or b""
            for line in BytesIO(content):
                yield name.removesuffix(kind).partition(":")[0], os.fsdecode(line.rstrip(b"\n"))
