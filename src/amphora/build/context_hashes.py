"""What builds have read of directories on this machine, kept in the store until it changes.

store/contexts/<digest of the path>    the files of a directory, as FileHashes has them
"""

import hashlib
import os
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
        for hashes in self._opened.values():
            hashes.keep()
        with suppress(FileNotFoundError):  # another build tidies up as well
            known = sorted(self._directory.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in known[:-_KEPT]:
                path.unlink()


def forget_contexts(store_root: Path) -> None:
    """Delete all of it, while nobody uses the store."""
    remove_tree(store_root / _DIRECTORY)
