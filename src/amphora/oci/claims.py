"""What running processes have come to need of a store, so that others can prune it meanwhile.

    claims/<token>     names of content, one on a line; locked while its process uses the store
    claims.lock        held by whoever claims, shared and for a moment; alone by whoever removes

Content is claimed before one looks whether it is there. So either the claim is seen by whoever
decides what goes, or what went is seen to be gone. Claims end with the process, however it does.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock

from msgspec import Struct

from amphora.system.files import explain_full_disk, is_locked, lock_shared, locked

_DIRECTORY = "claims"


class Claimed(Struct, frozen=True):
    """What others claim: names of content; `busy` if there are others at all."""

    names: frozenset[str]
    busy: bool


class Claims:
    """Those of one process on the store at `root`; shared by its threads."""

    def __init__(self, root: Path) -> None:
        self._directory = root / _DIRECTORY
        self._lock_path = root / f"{_DIRECTORY}.lock"
        self._lock = Lock()
        self._holders = 0
        self._opened = ExitStack()
        self._file = self._gate = -1
        self._token = ""
        self._names: set[str] = set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is claimed meanwhile is claimed until the last that holds them lets go."""
        with self._lock:
            if not self._holders:
                self._open()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._opened.close()

    def claim(self, names: Iterable[str]) -> None:
        """Claim content, there or not; means nothing unless somebody holds the claims."""
        if not self._holders:
            return
        with self._lock:
            fresh = [name for name in names if name not in self._names]
            if not fresh:
                return
            with explain_full_disk(self._directory), lock_shared(self._gate):
                content = "".join(f"{name}\n" for name in fresh).encode()
                while content:
                    content = content[os.write(self._file, content) :]
            self._names.update(fresh)

    @contextmanager
    def stopped(self) -> Iterator[Claimed]:
        """What others claim; nobody comes to claim more meanwhile."""
        with locked(self._lock_path):
            yield self.of_others()

    def of_others(self) -> Claimed:
        """What others claim at this moment; removes what killed processes left."""
        names = set[str]()
        busy = False
        for path in self._directory.glob("*"):
            if path.name == self._token:
                continue
            if is_locked(path):
                # Whoever has ended since claims nothing any more.
                with suppress(FileNotFoundError):
                    names.update(path.read_text().splitlines())
                    busy = True
            else:
                _remove_abandoned(path)
        return Claimed(frozenset(names), busy)

    def _open(self) -> None:
        with ExitStack() as stack:
            self._directory.mkdir(exist_ok=True)
            self._token = secrets.token_hex(8)
            path = self._directory / self._token
            self._gate = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            stack.callback(os.close, self._gate)
            with lock_shared(self._gate):
                stack.enter_context(locked(path))
            stack.callback(self._forget, path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            stack.callback(os.close, self._file)
            self._opened = stack.pop_all()

    def _forget(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._token = ""
        self._names.clear()


def _remove_abandoned(path: Path) -> None:
    with suppress(BlockingIOError), locked(path, wait=False):
        path.unlink(missing_ok=True)
