"""What a distribution's own package manager says is installed: dpkg, apk.

The databases are an image's, so they are read inside its root and only so far.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from amphora.core.paragraphs import paragraphs
from amphora.sbom.package import Distribution, Package
from amphora.system.roots import list_in_root, read_in_root

#: Several times what the largest real systems have; the rest is not read.
_LARGEST = 16 << 20

_RELEASES = ("etc/os-release", "usr/lib/os-release")
_RELEASE_LINE = re.compile(r"(ID|VERSION_ID)=[\"']?([^\"'\n]*)[\"']?$", re.MULTILINE)

_DPKG_STATUS = "var/lib/dpkg/status"
#: One file a package, in images without dpkg ("distroless"); files of other kinds beside them.
_DPKG_DIRECTORY = "var/lib/dpkg/status.d"
_DPKG_FIELDS = ("Package", "Version", "Architecture", "Source", "Status")
#: `Source: glibc (2.41-12)`; the version is there only where it differs.
_SOURCE = re.compile(r"(?P<name>\S+)(?: \((?P<version>[^)]+)\))?")
#: The last word of Status for packages whose files are there.
_UNPACKED = ("installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")

#: https://wiki.alpinelinux.org/wiki/Apk_spec#Installed_Database_V2
_APK_DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


def read_distribution(root: Path) -> Distribution:
    """https://www.freedesktop.org/software/systemd/man/latest/os-release.html"""
    for name in _RELEASES:
        content = read_in_root(root, name)
        if content is not None:
            found = dict(_RELEASE_LINE.findall(content.decode(errors="replace")))
            return Distribution(found.get("ID", ""), found.get("VERSION_ID", ""))
    return Distribution()


def distribution_packages(root: Path, distribution: Distribution) -> Iterator[Package]:
    """Those of dpkg and of apk."""
    files = [f"{_DPKG_DIRECTORY}/{name}" for name in list_in_root(root, _DPKG_DIRECTORY)]
    for place in (_DPKG_STATUS, *(name for name in files if not name.endswith(".md5sums"))):
        status = read_in_root(root, place, _LARGEST) or b""
        for fields in paragraphs(status, _DPKG_FIELDS):
            if _is_there(fields, place):
                yield _deb(fields, place, distribution)
    for place in _APK_DATABASES:
        content = read_in_root(root, place, _LARGEST)
        if content is not None:
            yield from _apk(content, place, distribution)
            return


def _is_there(fields: Mapping[str, str], place: str) -> bool:
    state = fields.get("Status", "").rpartition(" ")[2]
    return (
        "Package" in fields
        and "Version" in fields
        and (state in _UNPACKED or place != _DPKG_STATUS)
    )


def _deb(fields: Mapping[str, str], place: str, distribution: Distribution) -> Package:
    source = _SOURCE.match(fields.get("Source", ""))
    return Package(
        "deb",
        fields["Package"],
        fields["Version"],
        place,
        namespace=distribution.identity or "debian",
        architecture=fields.get("Architecture", ""),
        distribution=distribution.qualifier,
        source=source["name"] if source else "",
        source_version=(source["version"] or "") if source else "",
    )


def _apk(content: bytes, place: str, distribution: Distribution) -> Iterator[Package]:
    """Records of lines like `P:busybox`, each with an empty line after it."""
    for record in content.decode(errors="replace").split("\n\n"):
        fields = dict(line.split(":", 1) for line in record.split("\n") if line[1:2] == ":")
        if "P" in fields and "V" in fields:
            source = fields.get("o", "")
            yield Package(
                "apk",
                fields["P"],
                fields["V"],
                place,
                namespace=distribution.identity or "alpine",
                architecture=fields.get("A", ""),
                distribution=distribution.qualifier,
                source="" if source == fields["P"] else source,
            )
