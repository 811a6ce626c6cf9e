"""The variant of an image to run: in the store, or fetched into it first."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.errors import NotFoundError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.launch.request import LaunchRequest
from amphora.oci.config import ImageConfig
from amphora.oci.graph import image_for, variants
from amphora.oci.snapshots import Layer
from amphora.oci.store import Store
from amphora.registry.client import Registry
from amphora.registry.progress import Progress


class Variant(Struct, frozen=True):
    """One variant of an image; `root` is the whole image."""

    root: Descriptor
    config: ImageConfig
    layers: tuple[Layer, ...]


class Source(Struct, frozen=True):
    """Where images come from that the store does not have; `show` shows them coming."""

    insecure_registries: tuple[str, ...]
    show: Callable[[], AbstractContextManager[Progress]]

    async def fetch(self, reference: Reference, platform: Platform | None, store: Store) -> None:
        """Fetch the variant of an image, and name it in the store."""
        wanted = [platform or Platform.host()]
        with self.show() as progress:
            insecure = self.insecure_registries
            async with Registry(reference.domain, insecure_registries=insecure) as registry:
                descriptor = await registry.pull(
                    reference, store.blobs, platforms=wanted, progress=progress
                )
        store.tag(reference, descriptor)


async def find_variant(
    request: LaunchRequest, store: Store, source: Source, say: Callable[[str], None]
) -> Variant:
    """The variant that is asked for, fetched if need be.

    Raises NotFoundError, and what `registry.client.Registry.pull` raises.
    """
    if request.pull == "always" or (request.pull == "missing" and _is_missing(request, store)):
        await source.fetch(request.reference, request.platform, store)
    root = store.resolve(request.reference)
    platform = _choose(request, root, store, say)
    _, manifest, config = image_for(store.blobs, root, platform)
    return Variant(root, config, tuple(map(Layer, manifest.layers, config.diff_ids)))


def _is_missing(request: LaunchRequest, store: Store) -> bool:
    """Is it unknown, or known to exist but not here? What an image was not made for is neither."""
    try:
        root = store.resolve(request.reference)
    except NotFoundError:
        return True
    there = variants(store.blobs, root)
    selected = (request.platform or Platform.host()).select(there)
    return selected is not None and not store.blobs.has(there[selected].digest)


def _choose(
    request: LaunchRequest, root: Descriptor, store: Store, say: Callable[[str], None]
) -> Platform:
    if request.platform is not None:
        return request.platform
    host = Platform.host()
    there = [
        platform
        for platform, manifest in variants(store.blobs, root).items()
        if store.blobs.has(manifest.digest)
    ]
    if host.select(there) is None and len(there) == 1:
        say(f"the image is for {there[0]}, which this machine's CPU is not")
        return there[0]
    return host
