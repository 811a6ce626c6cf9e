"""Containers that run in the background: what they write, and how they ended, until `rm`.

store/containers/kept/<name>/container.json    what it is, or was
                             log, log.1        what it wrote; see runtime.journal
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from amphora.core.errors import AmphoraError, ContainerError
from amphora.launch.live import (
    LONGEST,
    LiveContainer,
    find_among,
    is_running,
    kept_place,
    live_containers,
    wait,
)
from amphora.oci.config import timestamp
from amphora.system.files import write_atomically

_FILE = "container.json"

#: The status of what was killed with whoever ran it, as if the signal had reached itself.
KILLED = 137


class Kept(Struct, frozen=True):
    """A container in the background; `temporary` ones go when they end.

    `finished` is empty, and `status` None, until its end; for ever, if it was killed with the
    process that ran it.
    """

    container: LiveContainer
    temporary: bool
    finished: str = ""
    status: int | None = None


class Keeper:
    """Keeps one container, for whoever runs it; `directory` is also for its journal."""

    def __init__(self, directory: Path, *, temporary: bool) -> None:
        self.directory = directory
        self.temporary = temporary
        self._container: LiveContainer | None = None

    def began(self, container: LiveContainer) -> None:
        self._container = container
        self._write(Kept(container, self.temporary))

    def ended(self, status: int) -> None:
        if self._container is not None:
            now = timestamp(time.time())
            self._write(Kept(self._container, self.temporary, now, status))

    @property
    def has_begun(self) -> bool:
        return self._container is not None

    def _write(self, kept: Kept) -> None:
        write_atomically(self.directory / _FILE, msgspec.json.encode(kept))


@contextmanager
def keeping(store_root: Path, name: str, *, temporary: bool) -> Iterator[Keeper]:
    """Around a container whose name was taken; nothing is kept of one that never began."""
    directory = kept_place(store_root, name)
    directory.mkdir(mode=0o700, parents=True)
    keeper = Keeper(directory, temporary=temporary)
    try:
        yield keeper
    except AmphoraError as error:
        keeper.ended(error.exit_code)
        raise
    finally:
        if temporary or not keeper.has_begun:
            shutil.rmtree(directory)


class Listed(Struct, frozen=True):
    """A container that runs, or ran, and what became of it."""

    container: LiveContainer
    state: Literal["running", "exited", "killed"] = "running"
    finished: str = ""
    status: int | None = None

    @property
    def what(self) -> str:
        """For people."""
        return f"{self.state} ({self.status})" if self.state == "exited" else self.state


def all_containers(store_root: Path) -> list[Listed]:
    """Those that run and those that are kept, the oldest first."""
    # In this order: one that ends meanwhile is kept before it stops being one that runs.
    live = {container.name: Listed(container) for container in live_containers(store_root)}
    places = kept_place(store_root, "").glob("*")
    kept = [_listed(store_root, place.name) for place in places if place.name not in live]
    return sorted([*live.values(), *filter(None, kept)], key=lambda each: each.container.started)


def find_any(store_root: Path, name: str) -> Listed:
    """The one of a name, or whose name alone begins so; raises ContainerError."""
    there = {each.container.name: each for each in all_containers(store_root)}
    return there[find_among(list(there), name, "no container is called", "amphora ps -a")]


def journal_of(store_root: Path, name: str) -> Path:
    """The directory of a container's journal; raises ContainerError if it has none."""
    place = kept_place(store_root, name)
    if place.is_dir():
        return place
    raise ContainerError(
        f"nothing is kept of what {name} writes",
        why="it runs in the foreground: that goes where its `amphora run` leads it",
        next_command="amphora run -d keeps it",
    )


def status_at_end(store_root: Path, listed: Listed) -> int:
    """The exit status of a container, waited for if it runs."""
    status = listed.status
    if listed.state == "running":
        status = wait(store_root, listed.container)
    if status is None:
        # It ended before we waited, or was killed.
        kept = _listed(store_root, listed.container.name)
        status = kept.status if kept else None
    return KILLED if status is None else status


def forget(store_root: Path, listed: Listed) -> None:
    """Remove what is kept of a container that ended; raises ContainerError if it runs."""
    name = listed.container.name
    if is_running(store_root, name):
        raise ContainerError(
            f"{name} is not removed",
            why="it runs",
            next_command=f"amphora stop {name}, or amphora rm -f {name}",
        )
    shutil.rmtree(kept_place(store_root, name), ignore_errors=True)


def _listed(store_root: Path, name: str) -> Listed | None:
    """What is kept of a container; None if that is nothing any more."""
    place = kept_place(store_root, name)
    try:
        with (place / _FILE).open("rb") as file:
            kept = msgspec.json.decode(file.read(LONGEST), type=Kept)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    if kept.status is not None:
        return Listed(kept.container, "exited", kept.finished, kept.status)
    if is_running(store_root, name):
        return Listed(kept.container)
    if kept.temporary:
        # Whoever would have removed it was killed.
        shutil.rmtree(place, ignore_errors=True)
        return None
    return Listed(kept.container, "killed", "", KILLED)
