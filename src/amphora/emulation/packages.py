"""Which package, of which version, a file of a Debian or Ubuntu image came from.

https://www.debian.org/doc/debian-policy/ch-controlfields.html, dpkg-query(1)
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Self

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
_LISTS = "var/lib/dpkg/info"
#: Several times what the largest real systems have; the rest is not read.
_LARGEST_FILE = 16 << 20

_FIELD = re.compile(rb"(Package|Version|Status): (.*)\n?$")

#: The suffixes of a package that was built again from the same source: as a cross compiler,
#: or for one CPU only (a binary-only upload).
_BUILT_AGAIN = re.compile(r"(cross\d+|\+b\d+)+$")


@dataclass(frozen=True, slots=True)
class Packages:
    """The installed packages: versions by name, and owners by path for the paths asked for."""

    versions: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, paths: Collection[str] = ()) -> Self:
        """From dpkg's database below a root; empty if there is none."""
        status = read_in_root(root, _STATUS, _LARGEST_FILE) or b""
        versions = {
            fields["Package"]: fields["Version"]
            for fields in _paragraphs(status)
            if fields.get("Status", "").endswith(" installed") and len(fields) == 3
        }
        return cls(versions, _owners(root, paths) if versions and paths else {})


def same_version(ours: str | None, theirs: str | None) -> bool:
    """The same upstream version and revision: both were made from the very same source."""
    if ours is None or theirs is None:
        return False
    return _BUILT_AGAIN.sub("", ours) == _BUILT_AGAIN.sub("", theirs)


def _owners(root: Path, paths: Collection[str]) -> dict[str, str]:
    """Packages may list a file under /bin that is in /usr/bin since the two were merged."""
    wanted = {f"/{path}": path for path in paths}
    wanted |= {f"/{path.removeprefix('usr/')}": path for path in paths}
    found = {}
    for name in list_in_root(root, _LISTS):
        if not name.endswith(".list"):
            continue
        content = read_in_root(root, f"{_LISTS}/{name}", _LARGEST_FILE) or b""
        for line in BytesIO(content):
            path = wanted.get(os.fsdecode(line.rstrip(b"\n")))
            if path is not None:
                found[path] = name.removesuffix(".list").partition(":")[0]
    return found


def _paragraphs(content: bytes) -> Iterator[dict[str, str]]:
    """The three fields of interest of each package: paragraphs end with an empty line."""
    fields: dict[str, str] = {}
    for line in BytesIO(content):
        match = _FIELD.match(line)
        if match:
            fields[match[1].decode()] = match[2].decode(errors="replace")
        elif line == b"\n":
            yield fields
            fields = {}
    yield fields
