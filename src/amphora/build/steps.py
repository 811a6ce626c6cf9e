"""The steps that change the file system: what each depends on, and how it is done.

A step's `facts` are all that its result depends on beside the files below it: with
the parent's chain ID they make its cache key. `perform` does it in a mounted root.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.build.attaching import Attached
from amphora.build.attachments import all_attached
from amphora.build.copying import CopyRules, copy_sources, make_directory
from amphora.build.failing import Ending, run_failed, starved
from amphora.build.fetching import Fetched
from amphora.build.filetree import Source
from amphora.build.handoff import HandoffSource
from amphora.build.modes import SymbolicMode
from amphora.build.ownership import resolve_owner
from amphora.build.sandbox import Sandbox
from amphora.build.stubs import Stubs
from amphora.emulation.account import Account
from amphora.emulation.crash import Witness
from amphora.emulation.support import Execution
from amphora.runtime.container import Runtime
from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import Bind, Container, Memory, User
from amphora.system.files import disk_full, is_disk_full
from amphora.system.roots import resolve_in_root
from amphora.system.tasks import in_thread


class Outcome(Struct, frozen=True):
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


class RunStep(Struct, frozen=True):
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
        ending = Ending(Witness())
        account = None
        if self.handoff is None:
            untouched = await self._run(root, (), on_output, ending)
        else:
            async with self.handoff.offered(root, self.execution.platform) as (account, binds):
                untouched = await self._run(root, binds, on_output, ending)
        if ending.status == 0 and ending.starved:
            on_output(f"\namphora: {starved(ending)}, and it went on\n".encode())
        if ending.status != 0:
            raise run_failed(self.title, self.execution, ending, account)
        handed_off = account is not None and account.handed_off
        return Outcome("handoff" if handed_off else self.execution.where, account, untouched)

    def _mount_facts(self) -> list[dict[str, Any]]:
        return [attachment.facts() for attachment in self.attached.attachments]

    async def _run(
        self,
        root: Path,
        binds: Sequence[Bind],
        on_output: Callable[[bytes], None],
        ending: Ending,
    ) -> Sequence[Path]:
        """Run it with all that it asked for; returns what only looks changed, as in Outcome.

        How it ended is noted in `ending`.
        """

        def hear(chunk: bytes) -> None:
            ending.witness.hear(chunk)
            on_output(chunk)

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
            ending.status = await self.runtime.run(
                container, hear, on_crash=ending.note_crash, on_starved=ending.note_starved
            )
        if ending.status != 0 and is_disk_full(root):
            raise disk_full(root)
        return () if ending.status != 0 else stubs.clear()

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
            hostname=options.host_name,
            insecure=self.sandbox.insecure,
            limits=options.limits,
        )
        if options.shared_memory is None:
            return container
        return replace(container, shared_memory=options.shared_memory)


class FetchStep(RunStep, frozen=True):
    """What handoff needs: no part of the image, so that a build without cache keeps it.

    A RUN waits for it, so it does not wait for its own turn to run.
    """


class CopyStep(Struct, frozen=True):
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
            owner = resolve_owner(root, self.chown)
            rules = replace(rules, owner=owner, chowned=owner)
        with self.find() as sources:
            copy_sources([*sources, *fetched], root, self.destination, rules)


class WorkdirStep(Struct, frozen=True):
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
