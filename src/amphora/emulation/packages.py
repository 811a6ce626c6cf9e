"""Which package, of which version, a file of a Debian or Ubuntu image came from.

https://www.debian.org/doc/debian-policy/ch-controlfields.html, dpkg-query(1)
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from amphora.system.roots import read_in_root, resolve_in_root

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
_LARGEST_STATUS = 64 << 20

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
        status = read_in_root(root, _STATUS, _LARGEST_STATUS) or b""
        versions = {}
        for paragraph in status.decode(errors="replace").split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", paragraph, re.MULTILINE))
            if fields.get("Status", "").endswith(" installed") and "Version" in fields:
                versions[fields["Package"]] = fields["Version"]
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
    for file in resolve_in_root(root, _LISTS).glob("*.list"):
        content = read_in_root(root, f"{_LISTS}/{file.name}", _LARGEST_STATUS) or b""
        for line in content.decode(errors="replace").split("\n"):
            if line in wanted:
                found[wanted[line]] = file.stem.partition(":")[0]
    return found
