"""What a transfer reports while it runs; whoever prints decides how it looks."""

from enum import StrEnum
from typing import Protocol

from amphora.core.descriptor import Descriptor


class How(StrEnum):
    """How a piece of content came to be where it was wanted."""

    PRESENT = "present"
    DOWNLOADED = "downloaded"
    UPLOADED = "uploaded"
    MOUNTED = "mounted"


class Progress(Protocol):
    """Told about every blob and manifest; called from the event loop, so it must not block."""

    def started(self, descriptor: Descriptor, name: str) -> None:
        """Work on a descriptor begins; `name` is what to call it in front of people."""

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        """So many bytes more are through; negative when a resumed transfer goes back."""

    def finished(self, descriptor: Descriptor, how: How) -> None:
        """It is there, whole."""


class Silent:
    """Reports nothing."""

    def started(self, descriptor: Descriptor, name: str) -> None:
        pass

    def advanced(self, descriptor: Descriptor, count: int) -> None:
        pass

    def finished(self, descriptor: Descriptor, how: How) -> None:
        pass


SILENT: Progress = Silent()


class Meter:
    """Turns the position of one transfer into `advanced` calls."""

    def __init__(self, progress: Progress, descriptor: Descriptor) -> None:
        self._progress = progress
        self._descriptor = descriptor
        self._position = 0

    def at(self, position: int) -> None:
        """The transfer is at this many bytes now."""
        if position != self._position:
            self._progress.advanced(self._descriptor, position - self._position)
            self._position = position


def display_name(descriptor: Descriptor) -> str:
    """What to call a descriptor in a progress line: its kind, platform and short digest."""
    if descriptor.is_index:
        kind = "index"
    elif descriptor.is_manifest:
        kind = f"manifest {descriptor.platform or ''}".rstrip()
    else:
        kind = "config" if "config" in descriptor.media_type else "layer"
    return f"{kind} {descriptor.digest.short}"
