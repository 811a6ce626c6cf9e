"""How the programs of a stage run: natively, in an emulator, or handed off from one."""

import asyncio
from collections.abc import Mapping, Sequence

from amphora.build.dockerfile.source import Source
from amphora.build.handoff import HandoffSource, fetch_command
from amphora.build.run_options import RunOptions
from amphora.build.sandbox import Sandbox
from amphora.build.state import ImageState, Twin
from amphora.build.steps import FetchStep
from amphora.build.taking import Taker
from amphora.build.workshop import Workshop
from amphora.core.digest import Digest
from amphora.core.errors import AmphoraError
from amphora.core.platform import Platform
from amphora.emulation.counterparts import Identity
from amphora.emulation.support import Execution
from amphora.oci.config import chain_id
from amphora.oci.snapshots import Layer


class Programs:
    """Knows the CPUs of a build, and fetches native counterparts for what runs on the others.

    `network` is the build's `--network`; `any_revision` is as in HandoffSource.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        taker: Taker,
        shop: Workshop,
        *,
        network: str,
        any_revision: bool,
    ) -> None:
        self._group = group
        self._taker = taker
        self._shop = shop
        self._network = network
        self._any_revision = any_revision
        self._natives: dict[Digest | None, tuple[Layer, ...]] = {}
        self._digests: dict[Identity, str] = {}
        self._fetches: dict[tuple[object, ...], asyncio.Task[tuple[Layer, ...]]] = {}
        self._said_no_handoff = False

    def execution(self, platform: Platform) -> Execution:
        """How programs of a platform run; raises UnsupportedPlatformError."""
        execution = self._shop.emulation.prepare([platform])[platform]
        why = self._shop.emulation.lacks_for_handoff
        if execution.emulator and why and not self._said_no_handoff:
            self._said_no_handoff = True
            self._shop.reporter.warn("--handoff", f"no program is handed off: {why}")
        return execution

    def handoff_source(
        self, state: ImageState, source: Source, passing_environment: Mapping[str, str]
    ) -> HandoffSource | None:
        """Where native counterparts for a RUN come from; None if there are none.

        `source` is the RUN, and `passing_environment` the proxies by which to fetch them.
        """
        twin = state.twin
        if twin is None or not self.execution(state.platform).handoff:
            return None

        chain = chain_id([layer.diff_id for layer in twin.native])

        async def fetch(packages: Mapping[str, str]) -> Sequence[Layer]:
            step = self._fetch_step(packages, passing_environment)
            self._natives[chain] = await self._fetched(twin, step, source)
            return self._natives[chain]

        layers = self._natives.get(chain, twin.native)
        return HandoffSource(
            self._shop.snapshots,
            layers,
            twin.base,
            self._digests,
            self._shop.work,
            fetch,
            self._any_revision,
        )

    async def _fetched(self, twin: Twin, step: FetchStep, source: Source) -> tuple[Layer, ...]:
        """The layers of a native variant with what the step fetches in it.

        Always from the variant as it is, so that the cache knows the result by the packages.
        """
        wanted = (chain_id([layer.diff_id for layer in twin.native]), *step.arguments)
        if wanted not in self._fetches:
            self._fetches[wanted] = self._group.create_task(self._fetch(twin, step, source))
        return await self._fetches[wanted]

    async def _fetch(self, twin: Twin, step: FetchStep, source: Source) -> tuple[Layer, ...]:
        """The native layers with what was fetched; as they were, if it cannot be had."""
        native = ImageState(Platform.host(), twin.native)
        try:
            done = await self._taker.perform(native, step, step.title, source)
        except AmphoraError as error:
            self._shop.reporter.warn(step.title, f"{error.why}; it stays in the emulator")
            return native.layers
        return native.layers if done.layer is None else (*native.layers, done.layer)

    def _fetch_step(
        self, packages: Mapping[str, str], passing_environment: Mapping[str, str]
    ) -> FetchStep:
        return FetchStep(
            runtime=self._shop.runtime,
            execution=self.execution(Platform.host()),
            title=f"fetch native counterparts of {', '.join(packages)}",
            arguments=fetch_command(packages, any_revision=self._any_revision),
            environment={"DEBIAN_FRONTEND": "noninteractive"},
            passing_environment=passing_environment,
            working_directory="/",
            user="",
            sandbox=Sandbox(
                self._shop.networks,
                self._shop.private,
                RunOptions(),
                # Not `none`: that is for the Dockerfile's commands, which this is none of.
                network="host" if self._network == "host" else "default",
            ),
        )
