"""`amphora base create`: one root file system a platform, side by side, one index."""

import asyncio
import functools
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from amphora.base.debian import bootstrap, suite_of
from amphora.base.handoff import bootstrap_handing_off
from amphora.base.request import BaseRequest
from amphora.core.descriptor import Descriptor
from amphora.core.platform import Platform
from amphora.emulation.support import Emulation, Execution
from amphora.oci.assembly import put_image, put_index
from amphora.oci.blobs import BlobStore
from amphora.oci.config import DEFAULT_PATH, ContainerConfig, History, ImageConfig, timestamp
from amphora.oci.layers.diff import write_tree
from amphora.oci.layers.writer import LayerBlob, LayerWriter
from amphora.oci.store import Store
from amphora.oci.workspace import remove_tree, sweep_workspaces, workspace
from amphora.system.tasks import in_thread


class CreatedVariant(Struct, frozen=True):
    """The base of one platform: where its programs ran, seconds, compressed bytes of its layer."""

    platform: Platform
    manifest: Descriptor
    ran: str
    seconds: float
    size: int


class CreatedBase(Struct, frozen=True):
    """`image` is an index, or the manifest itself when one platform was asked for."""

    image: Descriptor
    variants: tuple[CreatedVariant, ...]


async def create_base(
    request: BaseRequest, store: Store, on_output: Callable[[Platform, bytes], None]
) -> CreatedBase:
    """Make the base image, store it and name it.

    `on_output` is given what mmdebstrap says. Every platform is proven to run before
    anything starts; the first error ends the others. Raises UnsupportedPlatformError,
    InvalidValueError, MissingToolError, ToolFailedError, DiskFullError.
    """
    suite_of(request)
    executions = Emulation(handoff=request.handoff).prepare(request.platforms)
    sweep_workspaces(store.root)
    with workspace(store.root) as work:
        epoch = request.source_date_epoch
        made = int(time.time()) if epoch is None else epoch
        creation = _Creation(request, made, store.blobs, work, on_output)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(creation.variant(execution))
                    for execution in executions.values()
                ]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        variants = tuple(task.result() for task in tasks)
    manifests = [variant.manifest for variant in variants]
    image = manifests[0] if len(manifests) == 1 else put_index(store.blobs, manifests)
    store.tag(request.reference, image)
    return CreatedBase(image, variants)


class _Creation(Struct, frozen=True):
    """`time` is the age of what was made on the way: the same for all platforms, so that
    their directories do not differ by seconds."""

    request: BaseRequest
    time: int
    blobs: BlobStore
    work: Path
    on_output: Callable[[Platform, bytes], None]

    async def variant(self, execution: Execution) -> CreatedVariant:
        started = time.monotonic()
        platform = execution.platform
        root, ran = await self._bootstrap(execution)
        layer = await in_thread(_store_layer, self.blobs, root, self.time)
        await in_thread(remove_tree, root)
        config = _config(self.request, platform, layer, timestamp(self.time))
        manifest = put_image(self.blobs, config, [layer.descriptor])
        seconds = time.monotonic() - started
        return CreatedVariant(platform, manifest, ran, seconds, layer.descriptor.size)

    async def _bootstrap(self, execution: Execution) -> tuple[Path, str]:
        """The root, and where its programs ran."""
        platform = execution.platform
        hear = functools.partial(self.on_output, platform)
        if execution.handoff:
            root = self.work / secrets.token_hex(4)
            account = await bootstrap_handing_off(self.request, platform, root, self.work, hear)
            if account:
                hear(account.summary.encode() + b"\n")
                return root, "handoff" if account.handed_off else execution.where
            await in_thread(remove_tree, root)
        root = self.work / secrets.token_hex(4)
        await bootstrap(self.request, platform, root, hear)
        return root, execution.where


def _store_layer(blobs: BlobStore, root: Path, time_made: int) -> LayerBlob:
    with LayerWriter(blobs) as writer:
        write_tree(root, writer, clamp_mtime=time_made)
        return writer.commit()


def _config(
    request: BaseRequest, platform: Platform, layer: LayerBlob, created: str
) -> ImageConfig:
    made_by = f"amphora base create {request.reference.familiar}"
    if request.include:
        made_by += f" --include {','.join(request.include)}"
    return ImageConfig(
        platform=platform,
        config=ContainerConfig(env=(f"PATH={DEFAULT_PATH}",), cmd=("bash",)),
        diff_ids=(layer.diff_id,),
        history=(History(created, made_by, "amphora"),),
        created=created,
    )
