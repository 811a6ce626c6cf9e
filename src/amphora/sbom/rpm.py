"""What RPM says is installed: its SQLite database, which distributions have had since 2020.

Each package is a header: an index of tags, and the data that its entries point into.
https://rpm-software-management.github.io/rpm/manual/format_header.html
"""

import sqlite3
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from amphora.sbom.package import Distribution, Package
from amphora.system.roots import find_in_root

_DATABASES = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite")

#: https://github.com/rpm-software-management/rpm/blob/rpm-4.19.x/include/rpm/rpmtag.h
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _SOURCE = 1000, 1001, 1002, 1003, 1022, 1044
_INTEGER, _STRING = 4, 6
#: Keys that somebody trusts are kept as packages of this name.
_KEY = "gpg-pubkey"

_LONGEST = 16 << 20
_MOST_ENTRIES = 4096
#: Steps of SQLite's machine: a hostile schema can make one query run for ever.
_MOST_STEPS = 5_000_000


def rpm_packages(root: Path, distribution: Distribution) -> Iterator[Package]:
    """The packages in the database below a root; those before the place where it is damaged."""
    for place in _DATABASES:
        path = find_in_root(root, place)
        if path is not None:
            for header in _headers(path):
                package = _package(_fields(header), place, distribution)
                if package is not None:
                    yield package
            return


def _headers(path: Path) -> Iterator[bytes]:
    """Nothing is written beside the file, and nothing that its schema holds is executed."""
    try:
        uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            connection.set_progress_handler(lambda: 1, _MOST_STEPS)
            connection.execute("PRAGMA trusted_schema = OFF")
            for (header,) in connection.execute("SELECT blob FROM Packages"):
                if isinstance(header, bytes):
                    yield header
    except sqlite3.Error:
        return


def _fields(header: bytes) -> dict[int, str]:
    """The tags of interest that are there."""
    found: dict[int, str] = {}
    try:
        count, _ = struct.unpack_from(">II", header)
        data = 8 + 16 * count
        for number in range(min(count, _MOST_ENTRIES)):
            tag, kind, offset, _ = struct.unpack_from(">IIII", header, 8 + 16 * number)
            if tag == _EPOCH and kind == _INTEGER:
                found[tag] = str(struct.unpack_from(">I", header, data + offset)[0])
            elif tag in {_NAME, _VERSION, _RELEASE, _ARCH, _SOURCE} and kind == _STRING:
                text = header[data + offset :].partition(b"\0")[0]
                found[tag] = text.decode(errors="replace")
    except struct.error:
        return {}
    return found


def _package(fields: Mapping[int, str], place: str, distribution: Distribution) -> Package | None:
    name, version = fields.get(_NAME, ""), fields.get(_VERSION, "")
    if not name or not version or name == _KEY:
        return None
    # `curl-8.9.1-3.fc41.src.rpm`
    source = fields.get(_SOURCE, "").removesuffix(".src.rpm").rsplit("-", 2)
    return Package(
        "rpm",
        name,
        f"{version}-{fields.get(_RELEASE, '')}".rstrip("-"),
        place,
        namespace=distribution.identity,
        architecture=fields.get(_ARCH, ""),
        distribution=distribution.qualifier,
        epoch=fields.get(_EPOCH, ""),
        source=source[0] if len(source) == 3 else "",
        source_version="-".join(source[1:]) if len(source) == 3 else "",
    )
