"""The containers that run now: a directory for each in the store, told by a lock.

    store/containers/<name>.lock    held by whoever runs the container, as long as it does;
                                    in the end it has the exit status in it, for who waits
    store/containers/<name>.json    what it is
    store/containers/.lock          held by whoever takes a name, or frees those of killed ones

What a killed process left is told by a lock that nobody holds.
"""

import os
import select
import signal
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from amphora.core.errors import ContainerError
from amphora.runtime.foreground import PATIENCE, REQUESTS
from amphora.system.files import is_locked, locked, wait_for_release, write_atomically

_DIRECTORY = "containers"

#: Where those are kept that ended; no name of a container leads there.
_KEPT = "kept"

#: More than this was not written by us.
LONGEST = 1 << 16


#: Seconds between requests to stop that are not heard, and for cleaning up after the last.
_MOMENT = 0.3
_CLEANING = 5.0


class LiveContainer(Struct, frozen=True):
    """A container: `process` is the amphora that runs it; `bundle` is where crun finds it.

    `started` is RFC 3339, UTC. `arguments` are what was started first.
    """

    name: str
    image: str
    platform: str
    ran: str
    arguments: tuple[str, ...]
    process: int
    bundle: str
    started: str
    stop_signal: int


@contextmanager
def name_taken(store_root: Path, name: str) -> Iterator[Path]:
    """Have a name while a container runs; yields the file for `describe`.

    Raises ContainerError if somebody else has it.
    """
    directory = store_root / _DIRECTORY
    directory.mkdir(exist_ok=True)
    lock, file = directory / f"{name}.lock", directory / f"{name}.json"
    with ExitStack() as stack:
        with _names_unchanged(store_root):
            if _is_held(lock):
                raise _taken(name, "its command has not ended", f"amphora stop {name}")
            stack.enter_context(locked(lock))
        stack.callback(lock.unlink, missing_ok=True)
        stack.callback(file.unlink, missing_ok=True)
        file.unlink(missing_ok=True)
        if kept_place(store_root, name).exists():
            raise _taken(name, "it ended, and is kept", f"amphora rm {name}")
        yield file


def kept_place(store_root: Path, name: str) -> Path:
    """Where a container is kept when it has ended; see launch.keeping."""
    return store_root / _DIRECTORY / _KEPT / name


def tell_status(file: Path, status: int) -> None:
    """Leave the exit status for those who wait; `file` is what `name_taken` yields."""
    file.with_suffix(".lock").write_text(f"{status}")


def wait(store_root: Path, container: LiveContainer) -> int | None:
    """Wait for the end of a container that runs; its exit status, None if it was killed."""
    lock = store_root / _DIRECTORY / f"{container.name}.lock"
    # Also if it was unlinked meanwhile: this file is what was written to.
    try:
        file = lock.open()
    except FileNotFoundError:
        return None
    with file:
        wait_for_release(file)
        text = file.read(LONGEST)
    return int(text) if text.isdigit() else None


def describe(file: Path, container: LiveContainer) -> None:
    """Tell others what runs."""
    write_atomically(file, msgspec.json.encode(container))


def live_containers(store_root: Path) -> list[LiveContainer]:
    """Those that run now, the oldest first; what killed ones left is removed."""
    locks = list((store_root / _DIRECTORY).glob("[!.]*.lock"))
    held = list(filter(_is_held, locks))
    if len(held) < len(locks):
        with _names_unchanged(store_root):
            _remove_unheld(locks)
    found = map(_read, held)
    return sorted(filter(None, found), key=lambda container: container.started)


def is_running(store_root: Path, name: str) -> bool:
    """Does a container of exactly this name run?"""
    return _is_held(store_root / _DIRECTORY / f"{name}.lock")


def find_container(store_root: Path, name: str) -> LiveContainer:
    """The one of a name, or whose name alone begins so; raises ContainerError."""
    there = {container.name: container for container in live_containers(store_root)}
    return there[find_among(list(there), name, "no container runs that is called", "amphora ps")]


def find_among(names: Collection[str], name: str, what: str, listing: str) -> str:
    """A name, or the only one that begins so; raises ContainerError with these words."""
    similar = [each for each in names if each.startswith(name)]
    for candidates in ([name] if name in names else [], similar):
        if len(candidates) == 1:
            return candidates[0]
    raise ContainerError(
        f"{what} {name}",
        why=f"{len(similar)} have names that begin so" if similar else "it ended, or never began",
        next_command=listing,
    )


def stop(store_root: Path, container: LiveContainer, grace: float) -> None:
    """Ask a container to end with the signal its image names, and kill it after `grace` seconds.

    Returns when it has ended.
    """
    descriptor = os.pidfd_open(container.process)
    try:
        # A process that has the number now, but not the lock, is somebody else.
        if container not in live_containers(store_root):
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, container.stop_signal)
            # A moment at least: a signal that the last one still waits beside is lost.
            if _ends(descriptor, max(grace, _MOMENT)):
                return
            # No more than it takes: one that comes later would end whoever runs the container.
            for _ in range(PATIENCE - (container.stop_signal in REQUESTS)):
                if not is_running(store_root, container.name):
                    break
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                if _ends(descriptor, _MOMENT):
                    return
            if not _ends(descriptor, _CLEANING):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                _ends(descriptor, _CLEANING)
    finally:
        os.close(descriptor)


def _taken(name: str, why: str, remedy: str) -> ContainerError:
    return ContainerError(
        f"there is a container called {name} already",
        why=why,
        next_command=f"{remedy}, or choose another --name",
    )


def _ends(descriptor: int, seconds: float) -> bool:
    """Does a process end within this time?"""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


@contextmanager
def _names_unchanged(store_root: Path) -> Iterator[None]:
    """Nobody takes the name of a container meanwhile, or removes what a killed one left."""
    with locked(store_root / _DIRECTORY / ".lock"):
        yield


def _is_held(lock: Path) -> bool:
    """Those that wait for the end of a container do not count."""
    return is_locked(lock, shared=True)


def _remove_unheld(locks: Sequence[Path]) -> None:
    for lock in locks:
        if not _is_held(lock):
            lock.with_suffix(".json").unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


def _read(lock: Path) -> LiveContainer | None:
    """What a live container is; None if it does not say so yet."""
    try:
        with lock.with_suffix(".json").open("rb") as file:
            return msgspec.json.decode(file.read(LONGEST), type=LiveContainer)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
