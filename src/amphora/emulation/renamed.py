"""Copies of native programs that take themselves for the image's: dpkg, apt and their kin.

Debian's package tools have the name of their port compiled in, once, as a text of its
own. A native copy with the image's port in its place does what the image's own tool
does.
"""

from pathlib import Path

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.emulation.packages import PORTS

#: Several times what the largest of them has.
_LARGEST = 32 << 20


class Renaming(Struct, frozen=True):
    """From the native port to the image's; copies go to `directory`, shown at `shown_at`."""

    native: Platform
    image: Platform
    directory: Path
    shown_at: str

    @property
    def is_possible(self) -> bool:
        """A text can be replaced by one that is no longer."""
        ours, theirs = PORTS.get(str(self.native)), PORTS.get(str(self.image))
        return ours is not None and theirs is not None and len(theirs) <= len(ours)

    def copy(self, file: Path) -> str | None:
        """Make the copy; returns its path in containers, None if the name is not in the file."""
        target = self.directory / file.name
        if target.exists():
            # It may be running: it must not be written again.
            return f"{self.shown_at}/{file.name}"
        if file.stat().st_size > _LARGEST:
            return None
        ours, theirs = PORTS[str(self.native)].encode(), PORTS[str(self.image)].encode()
        content = file.read_bytes()
        renamed = content.replace(b"\0%b\0" % ours, b"\0%b\0" % theirs.ljust(len(ours), b"\0"))
        if renamed == content:
            return None
        target.write_bytes(renamed)
        target.chmod(0o755)
        return f"{self.shown_at}/{file.name}"
