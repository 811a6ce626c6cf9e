"""What a RUN is shown beside its root file system, one value for each `--mount`.

Each has `facts`, which is what the result of the command may depend on, and `attached`,
which has it ready while somebody uses it. A secret's content is no fact.
"""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from amphora.build.agents import Door, forwarded
from amphora.core.errors import ContextError
from amphora.oci.cache_mounts import CacheIdentity, CacheMounts
from amphora.runtime.spec import Bind, Memory
from amphora.system.roots import resolve_in_root
from amphora.system.tasks import in_thread

#: A way to look at a root of files, mounted while somebody looks.
Shown = Callable[[], AbstractContextManager[Path]]


class Attachment(Protocol):
    """`turn` orders those that wait for something, so that no two RUNs wait for each other."""

    @property
    def turn(self) -> str: ...

    @property
    def target(self) -> str: ...

    def facts(self) -> dict[str, Any]:
        """Plain JSON values."""
        ...

    def attached(self) -> AbstractAsyncContextManager[Bind | Memory]: ...


@asynccontextmanager
async def all_attached(
    attachments: Sequence[Attachment],
) -> AsyncIterator[list[Bind | Memory]]:
    """All at once, in the order to mount them: what is above before what is below."""
    async with AsyncExitStack() as stack:
        mounts = [
            await stack.enter_async_context(attachment.attached())
            for attachment in sorted(attachments, key=lambda attachment: attachment.turn)
        ]
        yield sorted(mounts, key=lambda mount: mount.target)


class BindAttachment(Struct, frozen=True):
    """type=bind: files of the context, a stage or an image; what is written to them is lost.

    `content` names what `shown` shows.
    """

    target: str
    source: str
    shown: Shown
    content: Mapping[str, str]
    read_only: bool
    where: str
    turn: str = ""

    def facts(self) -> dict[str, Any]:
        return {
            "bind": dict(self.content),
            "source": self.source,
            "target": self.target,
            "read only": self.read_only,
        }

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Bind | Memory]:
        async with AsyncExitStack() as stack:
            shown = self.shown()
            root = await in_thread(shown.__enter__)
            stack.push(shown)
            yield Bind(find_source(root, self.source, self.where), self.target, self.read_only)


class CacheAttachment(Struct, frozen=True):
    """type=cache: a directory that outlives the build; `begins` shows what is in a new one."""

    target: str
    identity: CacheIdentity
    sharing: str
    caches: CacheMounts
    fill: Callable[[Path], None]
    read_only: bool

    @property
    def turn(self) -> str:
        return self.identity.key

    def facts(self) -> dict[str, Any]:
        return {"cache": self.identity.key, "target": self.target, "read only": self.read_only}

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Bind | Memory]:
        async with self.caches.held(self.identity, self.sharing, self.fill) as directory:
            yield Bind(directory, self.target, self.read_only)


class MemoryAttachment(Struct, frozen=True):
    """type=tmpfs."""

    target: str
    size: int | None
    read_only: bool
    turn: str = ""

    def facts(self) -> dict[str, Any]:
        return {"memory": self.size, "target": self.target, "read only": self.read_only}

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Bind | Memory]:
        yield Memory(self.target, self.size, self.read_only)


@dataclass(frozen=True, slots=True)
class FileAttachment:
    """A file in memory: a secret, whose content is nobody else's, or a program.

    `facts` are those of whoever makes it. `private` is a directory that is never on a disk.
    """

    target: str
    content: bytes = field(repr=False)
    private: Path
    known: Mapping[str, Any]
    mode: int = 0o400
    uid: int = 0
    gid: int = 0
    turn: str = ""

    def facts(self) -> dict[str, Any]:
        return {**self.known, "target": self.target, "owner": [self.uid, self.gid, self.mode]}

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Bind | Memory]:
        path = self.private / secrets.token_hex(8)
        try:
            path.touch(mode=0o600)
            path.write_bytes(self.content)
            os.chown(path, self.uid, self.gid)
            path.chmod(self.mode)
            yield Bind(path, self.target)
        finally:
            path.unlink(missing_ok=True)


class AgentAttachment(Struct, frozen=True):
    """type=ssh: the socket of an agent. Which keys it holds is no fact."""

    target: str
    id: str
    paths: Sequence[Path]
    private: Path
    mode: int = 0o600
    uid: int = 0
    gid: int = 0
    turn: str = ""

    def facts(self) -> dict[str, Any]:
        return {"agent": self.id, "target": self.target, "owner": [self.uid, self.gid, self.mode]}

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[Bind]:
        door = Door(self.private / secrets.token_hex(8), self.mode, self.uid, self.gid)
        try:
            async with forwarded(self.paths, door):
                yield Bind(door.path, self.target)
        finally:
            door.path.unlink(missing_ok=True)


def find_source(root: Path, source: str, where: str) -> Path:
    """The directory or file that `source` means below a root; raises ContextError."""
    try:
        place = resolve_in_root(root, source)
        if place.is_dir() or place.is_file():
            return place
        why = f"there is no such directory or file in {where}"
    except OSError as error:
        why = str(error.strerror).lower()
    raise ContextError(
        f"cannot mount {source!r}",
        why=why,
        next_command="correct source=; it is relative to the root of where it comes from",
    )
