"""The steps that change the file system: what each depends on, and how it is done.

A step's `facts` are all that its result depends on beside the files below it: with
the parent's chain ID they make its cache key. `perform` does it in a mounted root.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from amphora.build.attaching import Attached
from amphora.build.attachments import all_attached
from amphora.build.copying import CopyRules, copy_sources, make_directory
from amphora.build.fetching import Fetched
from amphora.build.filetree import Source
from amphora.build.handoff import HandoffSource
from amphora.build.modes import SymbolicMode
from amphora.build.ownership import resolve_owner
from amphora.build.sandbox import Sandbox
from amphora.build.stubs import Stubs
from amphora.core.errors import StepFailedError
from amphora.emulation.account import Account
from amphora.emulation.support import Execution
from amphora.runtime.container import Runtime
from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import Bind, Container, Memory, User
from amphora.system.files import disk_full, is_disk_full
from amphora.system.roots import resolve_in_root
from amphora.system.tasks import in_thread

#: Exit statuses with which QEMU, or a program under it, dies of a signal: 128 + ILL, SEGV, ….
_CRASHES = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a step ran, as in StepReport, and what handoff has to say about it.

    `untouched`: directories, relative to the root, that only look as if they were changed.
    """

    ran: str
    account: Account | None = None
    untouched: Sequence[Path] = ()


class Step(Protocol):
    @property
    def runs_container(self) -> bool:
        """Does it run a program of the image, rather than our own code?"""
        ...

    def facts(self) -> dict[str, Any]:
        """Plain JSON values."""
        ...

    async def perform(self, root: Path, on_output: Callable[[bytes], None]) -> Outcome:
        """Change the root; returns where that happened."""
        ...


@dataclass(frozen=True, slots=True)
class RunStep:
    """RUN: a command in a container, on the platform its stage is for."""

    runtime: Runtime
    execution: Execution
    title: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    #: Variables that reach the command but not the key: proxies, as with docker.
    passing_environment: Mapping[str, str]
    working_directory: str
    user: str
    sandbox: Sandbox
    handoff: HandoffSource | None = None
    attached: Attached = field(default_factory=Attached)
    runs_container: bool = True

    def facts(self) -> dict[str, Any]:
        return {
            "run": list(self.arguments),
            "environment": dict(self.environment),
            "directory": self.working_directory,
            "user": self.user,
            "platform": str(self.execution.platform),
            **self.sandbox.facts(),
            **({"mounts": mounts} if (mounts := self._mount_facts()) else {}),
        }

    async def perform(self, root: Path, on_output: Callable[[bytes], None]) -> Outcome:
        if self.handoff is None:
            untouched = await self._run(root, (), on_output)
            return Outcome(self.execution.where, untouched=untouched)
        async with self.handoff.offered(root, self.execution.platform) as (account, binds):
            untouched = await self._run(root, binds, on_output)
        ran = "handoff" if account.handed_off else self.execution.where
        return Outcome(ran, account, untouched)

    def _mount_facts(self) -> list[dict[str, Any]]:
        return [attachment.facts() for attachment in self.attached.attachments]

    async def _run(
        self, root: Path, binds: Sequence[Bind], on_output: Callable[[bytes], None]
    ) -> Sequence[Path]:
        """Run it with all that it asked for; returns what only looks changed, as in Outcome."""
        stubs = Stubs(root)
        async with (
            self.sandbox.entered() as around,
            all_attached(self.attached.attachments) as mounts,
        ):
            for mount in mounts:
                directory = not isinstance(mount, Bind) or mount.source.is_dir()
                stubs.make(mount.target, directory=directory)
            container = self._container(root, [*around.files, *binds, *mounts])
            container = replace(container, network=around.network)
            status = await self.runtime.run(container, on_output)
        if status != 0:
            raise disk_full(root) if is_disk_full(root) else self._failed(status)
        return stubs.clear()

    def _container(self, root: Path, binds: Sequence[Bind | Memory]) -> Container:
        options = self.sandbox.options
        container = Container(
            root=root,
            arguments=self.arguments,
            environment={
                **self.passing_environment,
                **self.attached.environment,
                **self.environment,
                **self.attached.secret_environment,
            },
            working_directory=self.working_directory,
            user=resolve_user(root, self.user),
            binds=binds,
            insecure=self.sandbox.insecure,
            limits=options.limits,
        )
        if options.shared_memory is None:
            return container
        return replace(container, shared_memory=options.shared_memory)

    def _failed(self, status: int) -> StepFailedError:
        platform = self.execution.platform
        why = f"its command exited with status {status}"
        if status in _CRASHES:
            why = f"its command died of {_CRASHES[status]}"
            if self.execution.emulator:
                why += f" under {self.execution.emulator}, which may be the emulator's fault"
        return StepFailedError(
            f"{self.title} failed on {platform}",
            why=why,
            next_command=f"read its output above; to try it alone: --platform {platform}",
        )


@dataclass(frozen=True, slots=True)
class FetchStep(RunStep):
    """What handoff needs: no part of the image, so that a build without cache keeps it.

    A RUN waits for it, so it does not wait for its own turn to run.
    """


@dataclass(frozen=True, slots=True)
class CopyStep:
    """COPY, and ADD of files: what `find` yields goes to `destination`.

    `content` names what that is: the digest of the files. `linked` (--link): the layer is made
    without looking at those below it, so that it fits onto any. `fetched` goes there too.
    """

    find: Callable[[], AbstractContextManager[Sequence[Source]]]
    content: Mapping[str, Any]
    destination: str
    chown: str
    rules: CopyRules
    linked: bool = False
    fetched: Sequence[Fetched] = ()
    runs_container: bool = False

    def facts(self) -> dict[str, Any]:
        mode = self.rules.mode
        return {
            "copy": dict(self.content),
            "fetched": [item.content for item in self.fetched],
            "to": self.destination,
            "chown": self.chown,
            "mode": mode.text if isinstance(mode, SymbolicMode) else mode,
            "unpack": self.rules.unpack,
            "link": self.linked,
        }

    async def perform(self, root: Path, on_output: Callable[[bytes], None]) -> Outcome:  # noqa: ARG002
        fetched = [await item.obtain() for item in self.fetched]
        await in_thread(self._copy, root, fetched)
        return Outcome("worker")

    def _copy(self, root: Path, fetched: Sequence[Source]) -> None:
        rules = self.rules
        if self.chown:
            rules = replace(rules, owner=resolve_owner(root, self.chown))
        with self.find() as sources:
            copy_sources([*sources, *fetched], root, self.destination, rules)


@dataclass(frozen=True, slots=True)
class WorkdirStep:
    """WORKDIR: makes the directory if it is not there; the user's, as with BuildKit."""

    path: str
    user: str
    mtime: int
    runs_container: bool = False

    def facts(self) -> dict[str, Any]:
        return {"workdir": self.path, "user": self.user}

    async def perform(self, root: Path, on_output: Callable[[bytes], None]) -> Outcome:  # noqa: ARG002
        owner = resolve_user(root, self.user)
        place = resolve_in_root(root, self.path)
        make_directory(root, place, User(owner.uid, owner.gid), self.mtime * 10**9)
        return Outcome("worker")
