"""Base images: found in the store, or pulled into it."""

import asyncio
from collections.abc import Sequence

from amphora.build.state import ImageState
from amphora.core.digest import Digest
from amphora.core.errors import NotFoundError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import image_for
from amphora.oci.store import Store
from amphora.registry.client import Registry


class Bases:
    """The images that a build starts from; each variant that is needed is pulled once."""

    def __init__(self, store: Store, *, always_pull: bool, insecure: Sequence[str]) -> None:
        self._store = store
        self._always_pull = always_pull
        self._insecure = insecure
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
            except NotFoundError:
                await self._pull(reference, platform)
        return self._from_store(reference, platform)

    def _from_store(
        self, reference: Reference, platform: Platform
    ) -> tuple[ImageState, Sequence[str]]:
        root = self._store.resolve(reference)
        _, manifest, config = image_for(self._store.blobs, root, platform)
        return ImageState.of_image(manifest, config), config.config.on_build or ()

    async def _pull(self, reference: Reference, platform: Platform) -> None:
        """Fetch one variant, of the same image for all, though its name may move meanwhile."""
        if (reference, platform) in self._pulled:
            return
        root = self._roots.get(reference)
        exact = reference.with_digest(root) if root else reference
        async with Registry(reference.domain, insecure_registries=self._insecure) as registry:
            descriptor = await registry.pull(exact, self._store.blobs, platforms=[platform])
        self._store.tag(reference, descriptor)
        self._roots[reference] = descriptor.digest
        self._pulled.add((reference, platform))
