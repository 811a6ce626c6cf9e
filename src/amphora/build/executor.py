"""Performing a step: a mounted root before, a layer after; or the cache's word for it."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from amphora.build.failing import still_crashes
from amphora.build.shared_cache import SharedCache
from amphora.build.steps import CopyStep, FetchStep, Outcome, RunStep, Step
from amphora.build.stubs import drop_copies
from amphora.core.digest import Digest
from amphora.core.errors import EmulatorCrashError
from amphora.emulation.account import Account
from amphora.oci.config import chain_id, timestamp
from amphora.oci.layers.diff import write_diff, write_tree
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store
from amphora.oci.workspace import remove_tree
from amphora.runtime.mountpoints import make_mount_points
from amphora.system.tasks import in_thread

#: Part of every key: raised when the same facts come to mean another result.
_KEY_VERSION = 1


class Performed(Struct, frozen=True):
    """A step's result, `layer` None if it changed nothing; `cached` if it was not performed.

    `key` is what it is remembered under; `origin` says where it ran when it was performed,
    `ran` where now.
    """

    key: str

    layer: Layer | None
    created: str
    ran: str
    seconds: float
    cached: bool
    origin: str
    account: Account | None = None


class Executor:
    """Performs steps for one build, as many at a time as `slots` has."""

    def __init__(
        self,
        store: Store,
        snapshots: Snapshots,
        work: Path,
        *,
        slots: asyncio.Semaphore,
        use_cache: bool,
        source_date_epoch: int | None,
        shared: SharedCache | None = None,
        any_revision: bool = False,
        retries: int = 0,
    ) -> None:
        """With `any_revision`, steps may have been done by compilers of another revision.

        `retries` is how often a step is done again in which a program crashed in the emulator.
        """
        self._shared = shared
        self._store = store
        self._snapshots = snapshots
        self._work = work
        self._slots = slots
        self.use_cache = use_cache
        self._epoch = source_date_epoch
        self._any_revision = any_revision
        self._retries = retries
        self._mount_points = make_mount_points(work / "mount-points")

    def key(self, parent: Sequence[Layer], step: Step) -> str:
        """The name under which the step's result is remembered."""
        chain = chain_id([layer.diff_id for layer in parent])
        facts = {
            "version": _KEY_VERSION,
            "parent": str(chain),
            "epoch": self._epoch,
            "step": step.facts(),
        }
        canonical = msgspec.json.encode(facts, order="sorted")
        return hashlib.sha256(canonical).hexdigest()

    async def find(self, key: str, *, always: bool = False) -> Performed | None:
        """As `recall`; what is not known here is looked for in the caches of other stores."""
        done = self.recall(key, always=always)
        if self._shared is None:
            return done
        if done is None and (self.use_cache or always):
            await self._shared.fetch(key)
            done = self.recall(key, always=always)
        if done is not None:
            self.took(key, done)
        return done

    def took(self, key: str, done: Performed) -> None:
        """Note a step that the build needs, for the caches that it is to be saved to.

        Not one that compilers of another revision may have done.
        """
        if self._shared is not None and (done.account is None or not done.account.other_revisions):
            self._shared.used[key] = None

    def recall(self, key: str, *, always: bool = False) -> Performed | None:
        """What the cache knows under a key; `always` even if the build is to do without."""
        record = self._store.cache_get(key) if self.use_cache or always else None
        if record is None and self._any_revision and self.use_cache:
            key = _inexact(key)
            record = self._store.cache_get(key)
        if record is None:
            return None
        layer = None
        if record.layer is not None and record.diff_id is not None:
            layer = Layer(record.layer, record.diff_id)
        return Performed(
            key, layer, record.created, "cached", record.seconds, cached=True, origin=record.ran
        )

    def content(self, key: str, look: Callable[[], Digest]) -> Digest:
        """The digest of files that never change, under a key that says which; or look at them.

        Blocks, for as long as the files take to be read.
        """
        record = self._store.cache_get(key) if self.use_cache else None
        if record is not None and record.diff_id is not None:
            return record.diff_id
        started = time.monotonic()
        digest = look()
        seconds = time.monotonic() - started
        self._store.cache_put(key, CacheRecord(None, digest, self._now(), "worker", seconds))
        return digest

    async def perform(
        self, key: str, parent: Sequence[Layer], step: Step, on_output: Callable[[bytes], None]
    ) -> Performed:
        """Do it, store the layer and remember it under the key. Raises what the step raises.

        The parent's layers must have been unpacked.
        """
        async with nullcontext() if isinstance(step, FetchStep) else self._slots:
            started = time.monotonic()
            layer, outcome = await self._until_no_crash(parent, step, on_output)
            seconds = time.monotonic() - started
            exact = outcome.account is None or not outcome.account.other_revisions
            done = Performed(
                key if exact else _inexact(key),
                layer,
                self._now(),
                outcome.ran,
                seconds,
                cached=False,
                origin=outcome.ran,
                account=outcome.account,
            )
            record = CacheRecord(
                layer=layer.blob if layer else None,
                diff_id=layer.diff_id if layer else None,
                created=done.created,
                ran=outcome.ran,
                seconds=seconds,
            )
            await in_thread(self._store.cache_put, done.key, record)
            self.took(key, done)
            return done

    async def _until_no_crash(
        self, parent: Sequence[Layer], step: Step, on_output: Callable[[bytes], None]
    ) -> tuple[Layer | None, Outcome]:
        """Again if the emulator crashed, without handoff then: each time from the beginning."""
        for _ in range(self._retries):
            try:
                return await self._in_mounted_root(parent, step, on_output)
            except EmulatorCrashError as error:
                on_output(f"\namphora: {error.why}; once more, without handoff\n".encode())
            if isinstance(step, RunStep):
                step = replace(step, handoff=None)
        try:
            return await self._in_mounted_root(parent, step, on_output)
        except EmulatorCrashError as error:
            if not self._retries:
                raise
            raise still_crashes(error, self._retries) from error

    async def _in_mounted_root(
        self, parent: Sequence[Layer], step: Step, on_output: Callable[[bytes], None]
    ) -> tuple[Layer | None, Outcome]:
        if isinstance(step, CopyStep) and step.linked:
            return await self._in_empty_root(step, on_output)
        diff_ids = [layer.diff_id for layer in parent]
        bottom = self._mount_points if step.runs_container else None
        with self._snapshots.mounted(diff_ids, bottom=bottom) as overlay:
            outcome = await step.perform(overlay.root, on_output)
            drop_copies(overlay.upper, outcome.untouched)
            if not any(overlay.upper.iterdir()):
                return None, outcome
            layer = await in_thread(self._write_layer, overlay.upper)
            overlay.keep([*diff_ids, layer.diff_id])
            return layer, outcome

    async def _in_empty_root(
        self, step: CopyStep, on_output: Callable[[bytes], None]
    ) -> tuple[Layer | None, Outcome]:
        """A plain directory: of what an overlay makes, some hides what a lower layer holds."""
        root = self._work / secrets.token_hex(4)
        root.mkdir()
        try:
            outcome = await step.perform(root, on_output)
            if not any(root.iterdir()):
                return None, outcome
            return await in_thread(self._write_layer, root, write_tree), outcome
        finally:
            await in_thread(remove_tree, root)

    def _write_layer(self, upper: Path, write: Callable[..., int] = write_diff) -> Layer:
        with LayerWriter(self._store.blobs) as writer:
            write(upper, writer, clamp_mtime=self._epoch)
            blob = writer.commit()
        return Layer(blob.descriptor, blob.diff_id)

    def _now(self) -> str:
        """RFC 3339: the time that the history shows for a step."""
        return timestamp(time.time() if self._epoch is None else self._epoch)


def _inexact(key: str) -> str:
    """Where a result is remembered that compilers of another revision may have made.

    What `--handoff=full` makes without them is what pure emulation makes, and is shared.
    """
    return f"{key}+any-revision"
