"""Volumes: directories that have a name in the store, and outlive the containers they are in.

    store/volumes/<name>/data    what containers see
                         lock    held by those that run with it; as old as the volume
                  .lock          held by whoever makes, fills or removes one

As with docker, one that is empty gets what the image has at the place where it is shown:
https://docs.docker.com/engine/storage/volumes/.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import ContainerError, NotFoundError
from amphora.launch.request import Volume
from amphora.oci.config import timestamp
from amphora.oci.workspace import workspace
from amphora.runtime.spec import Bind, Memory
from amphora.system.files import is_locked, locked
from amphora.system.process import find_tool, run
from amphora.system.roots import resolve_in_root

_DATA, _LOCK = "data", "lock"


class KnownVolume(Struct, frozen=True):
    """A volume; `place` is its directory on this machine, `created` RFC 3339, UTC."""

    name: str
    place: str
    created: str
    in_use: bool


class Volumes:
    """The volumes of a store."""

    def __init__(self, store_root: Path) -> None:
        self._store = store_root
        self._root = store_root / "volumes"

    def create(self, name: str) -> None:
        """Make an empty one; nothing happens if it is there."""
        with self._alone():
            self._create(name)

    def all(self) -> list[KnownVolume]:
        """Those that there are, by name."""
        return [self._known(place.parent) for place in sorted(self._root.glob(f"*/{_DATA}"))]

    def find(self, name: str) -> KnownVolume:
        """Raises NotFoundError."""
        for volume in self.all():
            if volume.name == name:
                return volume
        raise NotFoundError(
            f"there is no volume called {name}",
            why=f"the store {self._store} has none of that name",
            next_command="amphora volume ls",
        )

    def remove(self, name: str) -> None:
        """With all that is in it; raises NotFoundError, ContainerError if somebody uses it.

        Runs in the worker: what is in it belongs to users of containers.
        """
        place = self._root / name
        try:
            with workspace(self._store) as work, self._alone():
                self.find(name)
                with locked(place / _LOCK, wait=False):
                    # Out of sight at once; if we are killed, whoever sweeps removes the rest.
                    place.rename(work / name)
        except BlockingIOError as error:
            raise ContainerError(
                f"the volume {name} is not removed",
                why="a container that runs uses it",
                next_command="amphora ps shows which run; amphora stop ends them",
            ) from error

    @contextmanager
    def shown(
        self, mounts: Sequence[Bind | Memory | Volume], image: Path
    ) -> Iterator[list[Bind | Memory]]:
        """The mounts with a directory in place of each volume, which nobody removes meanwhile.

        `image` is the mounted root that empty ones are filled from. Runs in the worker.
        """
        with ExitStack() as stack:
            first = {each.name: each for each in reversed(mounts) if isinstance(each, Volume)}
            if first:
                with self._alone():
                    for volume in first.values():
                        self._create(volume.name)
                        self._fill(volume, image)
                        lock = self._root / volume.name / _LOCK
                        stack.enter_context(locked(lock, shared=True))
            yield [self._bind(each) if isinstance(each, Volume) else each for each in mounts]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._root.mkdir(exist_ok=True)
        with locked(self._root / ".lock"):
            yield

    def _create(self, name: str) -> None:
        place = self._root / name
        (place / _DATA).mkdir(parents=True, exist_ok=True)
        if not (place / _LOCK).exists():
            (place / _LOCK).touch()

    def _bind(self, volume: Volume) -> Bind:
        source = self._root / volume.name / _DATA
        return Bind(source, volume.target, read_only=volume.read_only)

    def _fill(self, volume: Volume, image: Path) -> None:
        """Give it what the image has there, all at once, if nobody has used it yet."""
        data = self._root / volume.name / _DATA
        source = resolve_in_root(image, volume.target)
        if any(data.iterdir()) or not source.is_dir():
            return
        with (
            suppress(BlockingIOError),
            locked(data.with_name(_LOCK), wait=False),
            workspace(self._store) as work,
        ):
            copy = work / _DATA
            copy.mkdir()
            run([find_tool("cp", "coreutils"), "-a", "--", f"{source}/.", str(copy)])
            copy.rename(data)

    def _known(self, place: Path) -> KnownVolume:
        created = timestamp((place / _LOCK).stat().st_mtime)
        return KnownVolume(place.name, str(place / _DATA), created, is_locked(place / _LOCK))
