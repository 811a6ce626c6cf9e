"""The builders of a user: a directory for each, made, kept and removed as a whole.

builders/<name>/builder.json   what it is
builders/<name>/store/         its images, layers, cache and history
builders/.kept/<name>/         what `rm --keep-state` left, for the next one of that name
builders/.new-…, .gone-…       not there yet, or no more; swept by whoever comes next
builders/.current              which one is in use
builders/.lock                 held by whoever changes any of this
"""

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from amphora.builders.builder import Builder
from amphora.builders.in_use import name_in_use, put_in_use
from amphora.core.errors import AmphoraError, BuilderError
from amphora.core.platform import Platform
from amphora.core.settings import DEFAULT_BUILDER, read_builder_name
from amphora.oci.workspace import remove_tree
from amphora.system.cgroup_limits import Limits
from amphora.system.files import is_locked, locked, sync_directory, write_atomically

_RECORD, _STORE, _KEPT = "builder.json", "store", ".kept"
_NEW, _GONE = ".new-", ".gone-"

#: What begins so was not there yet, or is no more; the last is a choice that was being written.
_UNFINISHED = (_NEW, _GONE, "..current.")

#: Seconds that whoever uses a store is waited for, and between two looks.
_PATIENCE, _MOMENT = 2.0, 0.05

#: More than this was not written by us.
_LONGEST = 1 << 16


class _Record(Struct, frozen=True, omit_defaults=True):
    """builder.json; `memory` is in bytes."""

    name: str
    created: str
    platforms: tuple[str, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    jobs: int = 0


class Builders:
    """Those below a directory; the default one, which has no directory, is not among them.

    `create` and `remove` run in the worker: what is in a store belongs to users of containers.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, name: str) -> Path:
        """Where the store of a builder of this name is."""
        return self._root / name / _STORE

    def all(self) -> list[Builder]:
        """By name; what is damaged is passed over."""
        found = []
        for name in self._names():
            with suppress(AmphoraError):
                found.append(self.find(name))
        return found

    def find(self, name: str) -> Builder:
        """Raises BuilderError."""
        try:
            content = _read(self._root / name / _RECORD)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._unknown(name) from error
        except OSError as error:
            raise _damaged(name, str(error.strerror).lower()) from error
        try:
            return self._builder(name, msgspec.json.decode(content, type=_Record))
        except (msgspec.MsgspecError, ValueError, AmphoraError) as error:
            raise _damaged(name, str(error)) from error

    def create(
        self,
        builder: Builder,
        *,
        use: bool = False,
        prove: Callable[[Builder], None] | None = None,
    ) -> None:
        """Make a new one, with the state that one of this name was removed without.

        `prove` is given it as it will be, but for its place; if that raises, it is not made.
        Raises BuilderError if there is one of this name.
        """
        record = _Record(
            builder.name,
            builder.created,
            tuple(map(str, builder.platforms)),
            builder.limits.memory,
            builder.limits.cpus,
            builder.jobs,
        )
        with self._alone():
            self._sweep()
            if builder.is_default or (self._root / builder.name).exists():
                raise _taken(builder)
            with self._prepared(builder.name) as place:
                if prove is not None:
                    prove(replace(builder, store=place / _STORE))
                write_atomically(place / _RECORD, msgspec.json.encode(record))
                place.rename(self._root / builder.name)
            sync_directory(self._root)
            if use:
                put_in_use(self._root, builder.name)

    def use(self, name: str) -> None:
        """Have commands work with a builder unless they are told otherwise; raises BuilderError."""
        if name != DEFAULT_BUILDER:
            self.find(name)
        if self._root.is_dir():
            with self._alone():
                put_in_use(self._root, name)

    def remove(self, name: str, *, keep_state: bool = False) -> None:
        """Remove one, or what is kept of one, with all that is in its store.

        Raises BuilderError if it is not there, or if somebody uses its store.
        """
        if name == DEFAULT_BUILDER:
            raise BuilderError(
                f"the builder {DEFAULT_BUILDER} cannot be removed",
                why="it is the ordinary store, and always there",
                next_command="amphora builder prune frees what builds remember in it",
            )
        with self._alone():
            place = self._root / name
            if not place.is_dir() and not keep_state:
                place = self._root / _KEPT / name
            if not place.is_dir():
                raise self._unknown(name)
            _wait_for_the_last(place / _STORE)
            with _unused(name, place / _STORE):
                with suppress(AmphoraError):
                    if name_in_use(self._root) == name:
                        put_in_use(self._root, DEFAULT_BUILDER)
                self._put_away(place, keep_state=keep_state)
            self._sweep()

    @contextmanager
    def _prepared(self, name: str) -> Iterator[Path]:
        """A directory to be renamed: a new one, which goes if it is not, or what was kept."""
        place = self._root / _KEPT / name
        if place.is_dir():
            yield place
            return
        place = self._root / f"{_NEW}{secrets.token_hex(6)}"
        place.mkdir()
        try:
            yield place
        finally:
            remove_tree(place)

    def _put_away(self, place: Path, *, keep_state: bool) -> None:
        """Out of sight at once: if we are killed, whoever comes next removes the rest."""
        if not keep_state:
            place.rename(self._root / f"{_GONE}{secrets.token_hex(6)}")
            return
        (self._root / _KEPT).mkdir(exist_ok=True)
        place.rename(self._root / _KEPT / place.name)

    def _builder(self, name: str, record: _Record) -> Builder:
        """Raises ValueError and InvalidValueError for what we would not have written."""
        limits = Limits(memory=record.memory, cpus=record.cpus)
        numbers = [each for each in (record.memory, record.cpus) if each is not None]
        if (
            record.name != name
            or record.jobs < 0
            or not all(0 < each < 1 << 60 for each in numbers)
        ):
            raise ValueError("it holds what cannot be")
        platforms = tuple(map(Platform.parse, record.platforms))
        store = self.place(name)
        return Builder(name, store, platforms, limits, record.jobs, record.created)

    def _names(self) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(path.name for path in self._root.iterdir() if _is_name(path.name))
        return []

    def _leftovers(self) -> Iterator[Path]:
        """What killed processes left: neither there nor kept."""
        for path in self._root.iterdir():
            unborn = _is_name(path.name) and not (path / _RECORD).exists()
            if unborn or path.name.startswith(_UNFINISHED):
                yield path

    def _sweep(self) -> None:
        for path in list(self._leftovers()):
            if path.is_file():
                path.unlink()
                continue
            with suppress(BuilderError), _unused(path.name, path / _STORE):
                remove_tree(path)

    def _unknown(self, name: str) -> BuilderError:
        there = ", ".join([DEFAULT_BUILDER, *self._names()])
        return BuilderError(
            f"no builder is called {name}",
            why=f"there are: {there}",
            next_command=f"amphora builder create --name {name}, or choose one of those",
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with locked(self._root / ".lock"):
            yield


def _wait_for_the_last(store: Path) -> None:
    """A build that was stopped may take a moment more."""
    deadline = time.monotonic() + _PATIENCE
    while is_locked(store / "lock") and time.monotonic() < deadline:
        time.sleep(_MOMENT)


@contextmanager
def _unused(name: str, store: Path) -> Iterator[None]:
    """Nobody begins to use the store meanwhile; raises BuilderError if somebody does."""
    if not store.is_dir():
        yield
        return
    try:
        with locked(store / "lock", wait=False):
            yield
    except BlockingIOError as error:
        raise BuilderError(
            f"the builder {name} is not removed",
            why="something uses its store: a build, a container, a pull or a push",
            next_command=f"amphora builder stop {name}; amphora --builder {name} ps shows"
            " containers",
        ) from error


def _taken(builder: Builder) -> BuilderError:
    if builder.is_default:
        why, remedy = "it is always there", ""
    else:
        why, remedy = "it was created before", f", or amphora builder rm {builder.name}"
    return BuilderError(
        f"there is a builder called {builder.name} already",
        why=why,
        next_command=f"give another --name{remedy}",
    )


def _is_name(name: str) -> bool:
    try:
        read_builder_name(name)
    except ValueError:
        return False
    return True


def _read(path: Path) -> bytes:
    """The beginning of a file, empty if it is no regular one; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return file.read(_LONGEST)


def _damaged(name: str, why: str) -> BuilderError:
    return BuilderError(
        f"the builder {name} is damaged",
        why=f"{_RECORD}: {why}",
        next_command=f"amphora builder rm {name}, and create it again",
    )
