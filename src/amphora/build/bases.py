"""Base images: found in the store, or pulled into it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from amphora.build.attest.facts import Material
from amphora.build.state import ImageState, Twin
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.errors import NotFoundError, RegistryUnreachableError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import image_for, variants
from amphora.oci.layout import import_layout
from amphora.oci.snapshots import Layer
from amphora.oci.store import Store
from amphora.system.tasks import in_thread


class Bases:
    """The images that a build starts from; each variant that is needed is pulled once."""

    def __init__(
        self, store: Store, *, always_pull: bool, insecure: Sequence[str], twins: bool
    ) -> None:
        """With `twins`, whoever pulls a foreign variant pulls the native one too, for handoff."""
        self._store = store
        self._always_pull = always_pull
        self._insecure = insecure
        self._twins = twins
        self._locks: dict[Reference, asyncio.Lock] = {}
        self._roots: dict[Reference, Digest] = {}
        self._pulled: set[tuple[Reference, Platform]] = set()

    async def resolve(self, name: str, platform: Platform) -> tuple[ImageState, Sequence[str]]:
        """The state that `FROM name` starts with on a platform, and its ONBUILD triggers.

        Raises InvalidValueError for a name that does not parse, NotFoundError for an
        image or platform that is nowhere, and what pulling raises.
        """
        reference = Reference.parse(name)
        async with self._locks.setdefault(reference, asyncio.Lock()):
            if self._always_pull:
                await self._pull(reference, platform)
            try:
                return self._from_store(reference, platform)
            except NotFoundError as missing:
                try:
                    await self._pull(reference, platform)
                except RegistryUnreachableError as error:
                    # Often it was meant to be an image made here, and is for another platform.
                    error.why = f"{error.why}; and {missing.what} ({missing.why})"
                    raise
        return self._from_store(reference, platform)

    async def of_layout(
        self, directory: Path, platform: Platform, *, tag: str, digest: Digest | None
    ) -> tuple[ImageState, Sequence[str]]:
        """The same for an image in an OCI image layout; raises what import_layout raises."""
        root = await in_thread(import_layout, self._store.blobs, directory, tag=tag, digest=digest)
        name = directory.resolve().name
        return self._state(root, platform, Material.of_layout(name, tag, platform, root.digest))

    def _from_store(
        self, reference: Reference, platform: Platform
    ) -> tuple[ImageState, Sequence[str]]:
        root = self._store.resolve(reference)
        return self._state(root, platform, Material.of_image(reference, platform, root.digest))

    def _state(
        self, root: Descriptor, platform: Platform, material: Material
    ) -> tuple[ImageState, Sequence[str]]:
        _, manifest, config = image_for(self._store.blobs, root, platform)
        state = replace(ImageState.of_image(manifest, config), materials=(material,))
        native = self._native(root, platform)
        if native:
            state = replace(state, twin=Twin(native, state.layers))
        return state, config.config.on_build or ()

    def _native(self, root: Descriptor, platform: Platform) -> tuple[Layer, ...]:
        """The layers of the native variant, where the index has one and it was pulled."""
        native = Platform.host()
        found = variants(self._store.blobs, root).get(native)
        if platform == native or found is None or not self._store.blobs.has(found.digest):
            return ()
        _, manifest, config = image_for(self._store.blobs, root, native)
        return tuple(map(Layer, manifest.layers, config.diff_ids))

    async def _pull(self, reference: Reference, platform: Platform) -> None:
        """Fetch one variant, of the same image for all, though its name may move meanwhile."""
        if (reference, platform) in self._pulled:
            return
        # Most builds find their bases in the store, and need no HTTP client.
        from amphora.registry.client import Registry  # noqa: PLC0415

        root = self._roots.get(reference)
        exact = reference.with_digest(root) if root else reference
        async with Registry(reference.domain, insecure_registries=self._insecure) as registry:
            descriptor = await registry.pull(exact, self._store.blobs, platforms=[platform])
            native = Platform.host()
            if self._twins and native in variants(self._store.blobs, descriptor):
                await registry.pull(exact, self._store.blobs, platforms=[native])
        self._store.tag(reference, descriptor)
        self._roots[reference] = descriptor.digest
        self._pulled.add((reference, platform))
