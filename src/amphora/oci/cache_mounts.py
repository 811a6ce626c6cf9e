"""The directories of `RUN --mount=type=cache`: kept beside the images, under their keys.

    mounts/<key>/about.json     what it was made for; its time is that of the last use
    mounts/<key>/<n>/           a copy; more than one where builds want it to themselves
    mounts/<key>/<n>.lock       held, shared or alone, by whoever has the copy mounted

A copy appears whole, by a rename. A lock that nobody holds is all that a killed build leaves.
"""

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from amphora.oci.garbage import Freed
from amphora.oci.workspace import remove_tree
from amphora.system.files import is_locked, locked, write_atomically
from amphora.system.tasks import in_thread
from amphora.system.usage import disk_usage

_DIRECTORY = "mounts"
_ABOUT = "about.json"
_NEW = ".new-"
#: Seconds between two looks at a lock that somebody else holds: a wait that can be cancelled.
_PATIENCE = 0.05


class CacheIdentity(Struct, frozen=True):
    """What makes two cache mounts the same one, as with BuildKit.

    `base` and `source` name the files that it begins with.
    """

    id: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    base: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        canonical = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


class KeptCache(Struct, frozen=True):
    """A cache as it is listed: the bytes of all copies, and when it was first and last used.

    `key` is that of its identity; `in_use` that a build has a copy of it now.
    """

    key: str
    id: str
    copies: int
    size: int
    created: float
    used: float
    in_use: bool


class CacheMounts:
    """The cache mounts of one store, whose files belong to the worker's users."""

    def __init__(self, store_root: Path) -> None:
        self._directory = store_root / _DIRECTORY
        self._directory.mkdir(exist_ok=True)

    @asynccontextmanager
    async def held(
        self, identity: CacheIdentity, sharing: str, fill: Callable[[Path], None]
    ) -> AsyncIterator[Path]:
        """A directory of the cache; `fill` puts into a new one what it begins with.

        `sharing` as in the Dockerfile: "shared" with everybody, "locked" waits until nobody
        else has it, "private" takes another copy. Raises DiskFullError.
        """
        home = self._directory / identity.key
        home.mkdir(exist_ok=True)
        async with AsyncExitStack() as stack:
            number = await _choose(home, sharing, stack)
            copy = home / str(number)
            if not copy.exists():
                await self._make(identity, copy, fill)
            about = json.dumps({"id": identity.id}).encode()
            await in_thread(write_atomically, home / _ABOUT, about)
            yield copy

    def kept(self) -> list[KeptCache]:
        """Every cache, by its name."""
        caches = [_describe(home) for home in self._directory.iterdir() if _is_cache(home)]
        return sorted(caches, key=lambda cache: cache.id)

    def remove(self, *, only_unfinished: bool = False) -> Freed:
        """Delete all of them, or what killed builds left half-made; nobody may use the store."""
        freed = Freed()
        for home in list(self._directory.iterdir()):
            if home.name.startswith(_NEW) or not only_unfinished:
                freed += Freed(1, disk_usage(home))
                remove_tree(home)
        return freed

    def bury(self, key: str, grave: Path) -> bool:
        """Move a cache that nobody uses into a grave on the same disk; True if that was done.

        Builds may go on beside it: who comes for it makes a new one.
        """
        locks = sorted((self._directory / key).glob("*.lock"))
        with ExitStack() as stack:
            try:
                for lock in locks:
                    stack.enter_context(locked(lock, wait=False))
            except BlockingIOError:
                return False
            for lock in locks:
                copy = lock.with_suffix("")
                if copy.exists():
                    copy.rename(grave / f"{key}-{copy.name}")
        return True

    async def _make(
        self, identity: CacheIdentity, copy: Path, fill: Callable[[Path], None]
    ) -> None:
        async with _locked_soon(copy.with_name("make.lock")):
            if not copy.exists():
                await in_thread(self._make_now, identity, copy, fill)

    def _make_now(self, identity: CacheIdentity, copy: Path, fill: Callable[[Path], None]) -> None:
        with self._new() as directory:
            fill(directory)
            os.chown(directory, identity.uid, identity.gid)
            directory.chmod(identity.mode)
            directory.rename(copy)

    @contextmanager
    def _new(self) -> Iterator[Path]:
        path = self._directory / f"{_NEW}{secrets.token_hex(6)}"
        path.mkdir()
        try:
            yield path
        finally:
            remove_tree(path)


async def _choose(home: Path, sharing: str, stack: AsyncExitStack) -> int:
    """Lock a copy and return its number."""
    if sharing != "private":
        await stack.enter_async_context(_locked_soon(home / "0.lock", shared=sharing == "shared"))
        return 0
    number = 0
    while True:
        try:
            stack.enter_context(locked(home / f"{number}.lock", wait=False))
        except BlockingIOError:
            number += 1
        else:
            return number


@asynccontextmanager
async def _locked_soon(path: Path, *, shared: bool = False) -> AsyncIterator[None]:
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(path, shared=shared, wait=False))
                break
            except BlockingIOError:
                await asyncio.sleep(_PATIENCE)
        yield


def _is_cache(home: Path) -> bool:
    """Not one of which only the locks are left, or that nobody has filled yet."""
    return not home.name.startswith(_NEW) and (home / _ABOUT).is_file() and bool(_copies(home))


def _describe(home: Path) -> KeptCache:
    about = home / _ABOUT
    copies = _copies(home)
    return KeptCache(
        key=home.name,
        id=json.loads(about.read_bytes())["id"],
        copies=len(copies),
        size=sum(map(disk_usage, copies)),
        created=min(lock.stat().st_mtime for lock in home.glob("*.lock")),
        used=about.stat().st_mtime,
        in_use=any(map(is_locked, home.glob("*.lock"))),
    )


def _copies(home: Path) -> list[Path]:
    return [path for path in home.iterdir() if path.name.isdecimal()]
