"""Attestations beside the files of an image: one file each, about every file there is.

https://docs.docker.com/build/metadata/attestations/slsa-provenance/#filename
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from msgspec import Struct

from amphora.build.attest.attach import statement
from amphora.build.attest.facts import Predicate
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform


class Statements(Struct, frozen=True):
    """What is said of each platform's files. `prefix` is put before the names of the files.

    `told_apart`: the platform is part of the name, `provenance.linux_arm64.json`.
    """

    predicates: Mapping[Platform, Sequence[Predicate]]
    prefix: str = ""
    told_apart: bool = False

    def about(self, platform: Platform) -> list[Predicate]:
        """What is to be a file; some is only for images."""
        return [each for each in self.predicates.get(platform, ()) if each.filename]

    def write(self, platform: Platform, root: Path, directory: Path) -> None:
        """Write a file for each into a directory; `root` has the platform's files.

        Raises InvalidValueError for a name that is taken.
        """
        subjects = list(_subjects(root))
        for predicate in self.about(platform):
            name = self._name(predicate, platform)
            place = directory / name
            if os.path.lexists(root / name) or place.exists():
                raise InvalidValueError(
                    f"the attestation {name} cannot be written beside the files",
                    why=f"/{name} is there already",
                    next_command="give its type filename=…, or the output attestation-prefix=…",
                )
            content = json.dumps(statement(predicate, subjects), indent=2, ensure_ascii=False)
            with open(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(content + "\n")

    def _name(self, predicate: Predicate, platform: Platform) -> str:
        path = PurePath(f"{self.prefix}{predicate.filename}")
        if not self.told_apart:
            return path.name
        return f"{path.stem}.{str(platform).replace('/', '_')}{path.suffix}"


def _subjects(root: Path) -> Iterator[tuple[str, str, str]]:
    """Name, algorithm and digest of each regular file, by its name."""
    found = [
        Path(directory, name).relative_to(root)
        for directory, _, names in os.walk(root)
        for name in names
    ]
    for path in sorted(found):
        if stat.S_ISREG((root / path).lstat().st_mode):
            with (root / path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            # JSON has no other way to say what is no text.
            yield str(path).encode(errors="replace").decode(), "sha256", digest
