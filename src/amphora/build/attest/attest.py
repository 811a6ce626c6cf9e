"""All that a build says of its variants, once they are built."""

import time
from collections.abc import Sequence

from msgspec import Struct

from amphora.build.attest.facts import Predicate
from amphora.build.attest.ledger import Ledger
from amphora.build.attest.provenance import Facts, provenance
from amphora.build.preparing import Prepared
from amphora.build.state import ImageState
from amphora.core.platform import Platform
from amphora.system.tasks import in_thread


class Notary(Struct, frozen=True):
    """Writes the predicates of one build, which `started` at that time, in seconds since 1970."""

    ready: Prepared
    ledger: Ledger
    started: float

    async def predicates(
        self, states: Sequence[ImageState]
    ) -> dict[Platform, tuple[Predicate, ...]]:
        """Those that are asked for, of each variant; states in the order of the platforms.

        Raises what unpacking layers raises.
        """
        finished = time.time()
        return {
            platform: (*await self._sbom(platform, state), *self._provenance(platform, finished))
            for platform, state in zip(self.ready.request.platforms, states, strict=True)
        }

    async def _sbom(self, platform: Platform, state: ImageState) -> tuple[Predicate, ...]:
        request, shop = self.ready.request, self.ready.shop
        if request.attest.sbom is None:
            return ()
        if request.attest.sbom.generator:
            return await self._generated(platform, state, request.attest.sbom.generator)
        # Few builds list packages, and what reads them takes a while to load.
        from amphora.build.attest.sbom import sbom  # noqa: PLC0415

        with shop.reporter.telling(platform, "list the packages in the image") as told:
            found, remembered = await in_thread(
                sbom, shop, platform, state, use_cache=request.use_cache
            )
            told.ran = "cached" if remembered else told.ran
        return (found,)

    async def _generated(
        self, platform: Platform, state: ImageState, name: str
    ) -> tuple[Predicate, ...]:
        """The SBOM of an image that does nothing else."""
        from amphora.build.attest.generator import Generator  # noqa: PLC0415

        title = f"list the packages in the image with {name}"
        with self.ready.shop.reporter.telling(platform, title) as told:
            generator = Generator(name, self.ready)
            found, remembered = await generator.predicates(platform, state, told.output)
            told.ran = "cached" if remembered else "native"
        return tuple(found)

    def _provenance(self, platform: Platform, finished: float) -> tuple[Predicate, ...]:
        request, fetched = self.ready.request, self.ready.fetched
        options = request.attest.provenance
        if options is None:
            return ()
        facts = Facts(
            request=request,
            platform=platform,
            text=self.ready.inputs.text,
            context=fetched.get(request.context),
            materials=sorted({*self.ledger.materials(platform), *fetched.values()}),
            steps=self.ledger.steps(platform),
            started=self.started,
            finished=finished,
        )
        return (provenance(facts, options),)
