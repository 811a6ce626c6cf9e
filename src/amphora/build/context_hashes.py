"""What builds have read of directories on this machine, kept in the store until it changes.

store/contexts/<digest of the path>    the files of a directory, as FileHashes has them
"""

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from amphora.build.fingerprint import FileHashes
from amphora.oci.workspace import remove_tree

_DIRECTORY = "contexts"

#: Directories that are remembered; those that were not built from for longest go first.
_KEPT = 50


class ContextHashes:
    """The directories that are read from by builds that go on together."""

    def __init__(self, store_root: Path) -> None:
        self._directory = store_root / _DIRECTORY
        self._opened: dict[Path, FileHashes] = {}

    def of(self, directory: Path) -> FileHashes:
        """What is known of the files in a directory; of one directory, always the same."""
        kept_in = self._directory / hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()
        if kept_in not in self._opened:
            self._opened[kept_in] = FileHashes(kept_in)
        return self._opened[kept_in]

    def keep(self) -> None:
        """Write down what was read, for the next build. Raises DiskFullError."""
        self._directory.mkdir(exist_ok=True)
        for path, hashes in self._opened.items():
            hashes.keep()
            with suppress(FileNotFoundError):  # nothing in it had settled
                os.utime(path)
        with suppress(FileNotFoundError):  # another build tidies up as well
            known = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in known[:-_KEPT]:
                path.unlink()


def kept_contexts(store_root: Path) -> list[Path]:
    """What is kept, a file for each directory; its time is that of the last build from it."""
    return sorted((store_root / _DIRECTORY).glob("[!.]*"))


def forget_contexts(store_root: Path, names: Iterable[str] | None = None) -> None:
    """Delete all of it, or what is named: files are read again then."""
    if names is None:
        remove_tree(store_root / _DIRECTORY)
        return
    for name in names:
        (store_root / _DIRECTORY / name).unlink(missing_ok=True)
