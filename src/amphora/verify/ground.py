"""Where variants are run: an overlay for each run, and a file in which denied programs are noted.

Made once for all variants of an image, inside the worker.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct, field

from amphora.core.descriptor import Descriptor
from amphora.core.errors import VerificationError
from amphora.core.platform import Platform
from amphora.emulation.exclusion import RECORD, marked, new_mark
from amphora.oci.config import ImageConfig
from amphora.oci.model import Manifest
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.store import Store
from amphora.runtime.container import Runtime
from amphora.runtime.identity import resolve_user
from amphora.runtime.mountpoints import make_mount_points, network_binds
from amphora.runtime.spec import Bind, Container, Network
from amphora.system.process import find_tool
from amphora.system.tasks import in_thread
from amphora.verify.entry import environment_of
from amphora.verify.program import Program, find_program

#: How much of what a container writes is kept, in bytes.
KEPT_OUTPUT = 64 * 1024


class Variant(Struct, frozen=True):
    """A variant that is to be run; `number` is its place in the index."""

    number: int
    platform: Platform
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig


class Scene(Struct, frozen=True):
    """A variant's files, mounted for one run; containers in it find what others there wrote."""

    variant: Variant
    root: Path
    record: Path

    def container(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        network: Network = "host",
    ) -> Container:
        """A container for a command; with an empty one, for the image's own.

        Raises VerificationError if there is none either, InvalidValueError for a user that
        the image does not know.
        """
        start = self.variant.config.config
        arguments = command or (*(start.entrypoint or ()), *(start.cmd or ()))
        if not arguments:
            raise VerificationError(
                "the image says nothing to run",
                why="it has neither ENTRYPOINT nor CMD",
                next_command="give a command with --cmd",
            )
        noted = Bind(self.record, RECORD, read_only=False)
        return Container(
            root=self.root,
            arguments=arguments,
            environment={**environment_of(start), **(environment or {})},
            working_directory=start.working_dir or "/",
            user=resolve_user(self.root, start.user if user is None else user),
            binds=[*network_binds(), noted],
            network=network,
        )

    def program(self, container: Container) -> Program:
        """What a container really starts; raises VerificationError if there is no such file."""
        return find_program(
            self.root,
            container.arguments,
            container.environment,
            container.working_directory,
        )

    def insist(self, program: Program) -> None:
        """Raise VerificationError if a program is for another CPU than the label says.

        Even one that this machine could run: it could not where the label sends it.
        """
        if program.architecture != self.variant.platform.architecture:
            raise VerificationError(
                f"{program.path} is a program for {program.architecture or 'an unknown CPU'}",
                why=f"the variant is labelled {self.variant.platform}",
                next_command="build it for the platform of its label",
            )

    def denied(self) -> str | None:
        """What is wrong if a program was denied; the container could write anything there."""
        with self.record.open("rb") as file:
            lines = file.read(KEPT_OUTPUT).decode(errors="replace").splitlines()
        if not lines:
            return None
        return f"it started {lines[0]}, which is for another CPU, and was not let"


class Ground:
    """`mark` is on all that must run whatever CPU is let (see `emulation.exclusion`).

    `runtime` is there after `be_ready`: looking at files needs none.
    """

    runtime: Runtime

    def __init__(self, store: Store, work: Path) -> None:
        self._work = work
        self._snapshots = Snapshots(store.blobs, work)
        self._mount_points = make_mount_points(work / "mount-points")
        self._numbers = itertools.count()
        self.mark = new_mark()

    def be_ready(self, stack: ExitStack) -> None:
        """Make the runtime, for as long as the stack is open; raises MissingToolError."""
        crun = stack.enter_context(marked(Path(find_tool("crun", "crun")), self.mark))
        self.runtime = Runtime(self._work, crun)

    async def unpack(self, variant: Variant) -> None:
        """Have the variant's files in the store, as they are mounted."""
        layers = tuple(map(Layer, variant.manifest.layers, variant.config.diff_ids))
        await in_thread(self._snapshots.unpack, layers)

    @contextmanager
    def scene(self, variant: Variant) -> Iterator[Scene]:
        """A variant's files as they are in the image, to be changed and thrown away."""
        record = self._work / f"denied-{next(self._numbers)}"
        record.touch()
        record.chmod(0o666)
        diff_ids = variant.config.diff_ids
        with self._snapshots.mounted(diff_ids, bottom=self._mount_points) as overlay:
            yield Scene(variant, overlay.root, record)


class Heard(Struct):
    """What a container wrote, the beginning of it."""

    content: bytearray = field(default_factory=bytearray)

    def __call__(self, chunk: bytes) -> None:
        self.content += chunk[: KEPT_OUTPUT - len(self.content)]

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")
