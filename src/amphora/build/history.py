"""What was built here before: a record and a log of every build, kept in the store.

    store/history/<id>.json    what was asked for, and what came of it
    store/history/<id>.log     what was shown meanwhile, as --progress=plain shows it
    store/history/<id>.lock    held by whoever builds, as long as it does
    store/history/<id>.stop    a pipe: what is written to it cancels the build

A record that says `running` while nobody holds the lock is of a build that was killed.
None of it is worth waiting for the disk: after a power failure the newest may be missing.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from amphora.build.request import BuildRequest, BuildResult
from amphora.core.errors import NotFoundError
from amphora.core.reference import Reference
from amphora.remote.location import shown_url
from amphora.system.files import is_locked, locked

_DIRECTORY = "history"

#: Builds that are remembered; the oldest go first.
_KEPT = 100

#: The build arg that names a build.
#: https://docs.docker.com/reference/dockerfile/#buildkit-built-in-build-args
_NAME = "BUILDKIT_BUILD_NAME"
_LONGEST_NAME = 200

#: More than this was not written by us.
_LONGEST = 1 << 20


class StepRecord(Struct, frozen=True):
    """As StepReport."""

    platform: str
    title: str
    ran: str
    seconds: float


class BuildRecord(Struct, frozen=True):
    """One build. `started` is RFC 3339, UTC; `build_args` are names: values may be secrets.

    `status` is running, completed, failed, canceled or killed; `error` and `digest` are empty
    where there is none, and so is `given_name`, which people may choose.
    """

    id: str
    context: str
    dockerfile: str
    target: str
    platforms: tuple[str, ...]
    tags: tuple[str, ...]
    build_args: tuple[str, ...]
    started: str
    status: str = "running"
    seconds: float = 0.0
    error: str = ""
    digest: str = ""
    steps: tuple[StepRecord, ...] = ()
    given_name: str = ""

    @property
    def name(self) -> str:
        """What people know it by: their own, or the last part of the context and the target."""
        if self.given_name:
            return self.given_name
        place = self.context.rstrip("/").rpartition("/")[2] or self.context
        return f"{place} ({self.target})" if self.target else place


class Recording:
    """A build under way; `log` is where its progress is written as well."""

    def __init__(self, identity: str, log: TextIO) -> None:
        self.id = identity
        self.log = log
        self.result: BuildResult | None = None


@contextmanager
def recorded(
    store_root: Path, request: BuildRequest, tags: Sequence[Reference]
) -> Iterator[Recording]:
    """Around a build: whoever has its result puts it into the recording."""
    directory = store_root / _DIRECTORY
    directory.mkdir(exist_ok=True)
    _forget(directory, _identities(directory)[_KEPT - 1 :])
    record = _begin(request, tags)
    path, started = directory / f"{record.id}.json", time.monotonic()
    lock = path.with_suffix(".lock")
    with locked(lock), path.with_suffix(".log").open("w", buffering=1) as log:
        path.write_bytes(msgspec.json.encode(record))
        recording = Recording(record.id, log)
        status, why = "completed", ""
        try:
            yield recording
        except (KeyboardInterrupt, asyncio.CancelledError):
            status = "canceled"
            raise
        except BaseException as error:
            status, why = "failed", str(error)
            raise
        finally:
            record = replace(
                record, status=status, error=why, seconds=round(time.monotonic() - started, 3)
            )
            path.write_bytes(msgspec.json.encode(_with_result(record, recording.result)))
            lock.unlink()


def running_builds(store_root: Path) -> list[BuildRecord]:
    """Those under way, the newest first."""
    return [record for record in builds(store_root) if record.status == "running"]


def builds(store_root: Path) -> list[BuildRecord]:
    """All that is remembered, the newest first; what is damaged is passed over."""
    directory = store_root / _DIRECTORY
    return [record for each in _identities(directory) if (record := _read(directory, each))]


def find_build(store_root: Path, name: str) -> BuildRecord:
    """The build of an ID, or whose ID alone begins so; `^0` is the newest, `^1` the one before.

    An ID may have its builder before it, as in the metadata of builds. Raises NotFoundError.
    """
    there = builds(store_root)
    name = name.rpartition("/")[2]
    if name.startswith("^") and name[1:].isdecimal():
        found = there[int(name[1:]) :][:1]
    else:
        found = [record for record in there if record.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    raise NotFoundError(
        f"no build is called {name}",
        why=f"{len(found)} have IDs that begin so" if found else "none that is remembered is",
        next_command="amphora history ls",
    )


def open_log(store_root: Path, record: BuildRecord) -> TextIO:
    """What was shown while it was built."""
    return (store_root / _DIRECTORY / f"{record.id}.log").open(errors="replace")


def stop_pipe(store_root: Path, identity: str) -> Path:
    """Where a build listens that runs; see build.stopping."""
    return store_root / _DIRECTORY / f"{identity}.stop"


def forget(store_root: Path, records: Sequence[BuildRecord]) -> None:
    """Remove builds that are over; those under way stay."""
    _forget(store_root / _DIRECTORY, [record.id for record in records])


def _begin(request: BuildRequest, tags: Sequence[Reference]) -> BuildRecord:
    now = datetime.now(UTC)
    return BuildRecord(
        # Sorted by name they are sorted by time.
        id=f"{now:%y%m%d%H%M%S}{now.microsecond // 1000:03}{secrets.token_hex(2)}",
        context=shown_url(request.context),
        dockerfile=request.dockerfile or "Dockerfile",
        target=request.target or "",
        platforms=tuple(map(str, request.platforms)),
        tags=tuple(str(tag) for tag in tags),
        build_args=tuple(request.build_args),
        given_name=request.build_args.get(_NAME, "")[:_LONGEST_NAME],
        started=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
    )


def _with_result(record: BuildRecord, result: BuildResult | None) -> BuildRecord:
    if result is None:
        return record
    steps = [
        StepRecord(str(step.platform), step.title, step.ran, round(step.seconds, 3))
        for step in result.steps
    ]
    return replace(record, digest=str(result.image.digest), steps=tuple(steps))


def _identities(directory: Path) -> list[str]:
    """The newest first."""
    return sorted((path.stem for path in directory.glob("*.json")), reverse=True)


def _read(directory: Path, identity: str) -> BuildRecord | None:
    path = directory / f"{identity}.json"
    with suppress(OSError, msgspec.DecodeError):
        with path.open("rb") as file:
            record = msgspec.json.decode(file.read(_LONGEST), type=BuildRecord)
        if record.status == "running" and not is_locked(path.with_suffix(".lock")):
            return replace(record, status="killed")
        return record if record.id == identity else None
    return None


def _forget(directory: Path, identities: Sequence[str]) -> None:
    """Builds under way stay: they write their record once more in the end."""
    for identity in identities:
        if is_locked(directory / f"{identity}.lock"):
            continue
        for kind in ("json", "log", "lock", "stop"):
            (directory / f"{identity}.{kind}").unlink(missing_ok=True)
