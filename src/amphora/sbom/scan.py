"""Looking through a tree of files for the software in it.

The tree is an image's and may be hostile: no link is followed except inside of it, nothing
but regular files is opened, and nobody else may change it meanwhile.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from amphora.core.errors import LayerError
from amphora.sbom.distributions import distribution_packages, read_distribution
from amphora.sbom.languages import packages_of
from amphora.sbom.package import Inventory, Package
from amphora.sbom.rpm import rpm_packages

#: Ten times what large images have.
_MOST = 100_000


def scan(root: Path) -> Inventory:
    """The packages below a root, each once for a place; equal trees have equal inventories.

    Raises LayerError for a tree that lists more than any honest one.
    """
    distribution = read_distribution(root)
    listed = (distribution_packages(root, distribution), rpm_packages(root, distribution))
    packages = set(islice(chain(*listed), _MOST + 1))
    files = 0
    for entry, place in _files(root):
        files += 1
        packages.update(_told_by(entry, place))
        if len(packages) > _MOST:
            raise LayerError(
                "the packages in an image cannot be listed",
                why=f"it claims to have more than {_MOST}, which no honest one has",
                next_command="leave --sbom out, or build on another base image",
            )
    return Inventory(tuple(sorted(packages)), files, distribution)


def _told_by(entry: "os.DirEntry[str]", place: str) -> list[Package]:
    """What one file tells; nothing, if it cannot be read."""
    try:
        executable = bool(entry.stat(follow_symlinks=False).st_mode & 0o111)
        return list(packages_of(Path(entry.path), place, executable=executable))
    except OSError:
        return []


def _files(root: Path) -> Iterator[tuple["os.DirEntry[str]", str]]:
    """Every regular file with its path below the root; a linked one under each of its names."""
    pending = [(str(root), "")]
    while pending:
        directory, below = pending.pop()
        # A directory whose path is too long, or that nobody may read, has nothing to tell.
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                place = f"{below}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, f"{place}/"))
                elif entry.is_file(follow_symlinks=False):
                    yield entry, place
