"""Running every variant of an image and holding it to its label.

Runs inside the worker's namespaces.
"""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext

from msgspec import Struct, field

from amphora.core.descriptor import Descriptor
from amphora.core.errors import AmphoraError
from amphora.core.platform import Platform
from amphora.emulation.exclusion import only
from amphora.emulation.support import Emulation
from amphora.oci.graph import image_for
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.verify.ground import Ground, Variant
from amphora.verify.run import OwnRun, VariantReport, not_run
from amphora.verify.selection import chosen_platforms
from amphora.verify.suite import Checked, Suite
from amphora.verify.suite_checks import check_contents
from amphora.verify.suite_runs import SuiteRun


class VerifyRequest(Struct, frozen=True):
    """`command` replaces the image's own; `platforms` empty means all; `timeout` in seconds.

    `expect` is what the output of every variant must have in it. With `health` a variant need
    not end but become healthy. `suites` are tests, by platform; without `own_run` nothing but
    them runs, and with `only_files` not even of them what runs something.
    """

    image: Descriptor
    platforms: Sequence[Platform] = ()
    command: Sequence[str] = ()
    timeout: float = 60
    expect: re.Pattern[str] | None = None
    health: bool = False
    suites: Mapping[Platform, Sequence[Suite]] = field(default_factory=dict)
    own_run: bool = True
    only_files: bool = False


class Verified(Struct, frozen=True):
    """What came of one variant: of its own run, if there was one, and of the tests.

    `ran` says on what CPU: native or emulated; empty if nothing could run.
    """

    run: VariantReport | None
    tests: tuple[Checked, ...] = ()
    ran: str = ""


async def verify(request: VerifyRequest, store: Store) -> list[Verified]:
    """Run the variants, those of one CPU side by side; one outcome each, in order.

    What runs is of the variant's own CPU: a program of another, be it this machine's, is
    denied and reported (see `emulation.exclusion`). Not so before Linux 6.7.

    Raises NotFoundError for an image without variants, or without one that is asked
    for; what is wrong with a variant is said in its outcome.
    """
    platforms = chosen_platforms(store.blobs, request.image, request.platforms)
    sweep_workspaces(store.root)
    found = [image_for(store.blobs, request.image, platform) for platform in platforms]
    variants = [
        Variant(number, platform, *variant)
        for number, (platform, variant) in enumerate(zip(platforms, found, strict=True))
    ]
    with workspace(store.root) as work, ExitStack() as stack:
        ground = Ground(store, work)
        prover = _Prover(request, ground)
        if request.only_files:
            return [Verified(None, await prover.check_files(each)) for each in variants]
        ground.be_ready(stack)
        emulation = Emulation(mark=ground.mark)
        # One CPU after the other: while programs of one may run, those of all others may not.
        architectures = dict.fromkeys(each.config.platform.architecture for each in variants)
        outcomes: dict[int, Verified] = {}
        for architecture in architectures:
            alike = [each for each in variants if each.config.platform.architecture == architecture]
            outcomes |= await prover.run_all(alike, emulation)
        return [outcomes[each.number] for each in variants]


class _Prover:
    def __init__(self, request: VerifyRequest, ground: Ground) -> None:
        self._request = request
        self._ground = ground
        self._slots = asyncio.Semaphore(len(os.sched_getaffinity(0)))

    async def run_all(
        self, variants: Sequence[Variant], emulation: Emulation
    ) -> dict[int, Verified]:
        """Run variants of one CPU, side by side; their outcomes by number."""
        platform = variants[0].config.platform
        try:
            where = emulation.prepare([platform])[platform].where
        except AmphoraError as error:
            return {each.number: Verified(not_run(each, error)) for each in variants}
        alone = only(platform, self._ground.mark) if emulation.is_private else nullcontext()
        with alone:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._run(each, where)) for each in variants]
        return {each.number: task.result() for each, task in zip(variants, tasks, strict=True)}

    async def _run(self, variant: Variant, where: str) -> Verified:
        request = self._request
        async with self._slots:
            run = None
            if request.own_run:
                own = OwnRun(
                    self._ground,
                    variant,
                    command=request.command,
                    timeout=request.timeout,
                    expect=request.expect,
                    health=request.health,
                )
                run = await own.report(where)
            tests = [*await self.check_files(variant)]
            for suite in self._suites(variant):
                tests += await SuiteRun(self._ground, variant, suite, request.timeout).report()
            return Verified(run, tuple(tests), where)

    async def check_files(self, variant: Variant) -> tuple[Checked, ...]:
        """The tests of its files and its config; the others are skipped, if nothing is to run."""
        suites = self._suites(variant)
        if not suites:
            return ()
        await self._ground.unpack(variant)
        with self._ground.scene(variant) as scene:
            checked = [
                check
                for suite in suites
                for check in check_contents(suite, scene.root, variant.config.config)
            ]
        if self._request.only_files:
            checked += [check for suite in suites for check in _skipped(suite)]
        return tuple(checked)

    def _suites(self, variant: Variant) -> Sequence[Suite]:
        return self._request.suites.get(variant.platform, ())


def _skipped(suite: Suite) -> list[Checked]:
    commands = [
        Checked(suite.source, "commandTests", each.name, "skipped") for each in suite.commands
    ]
    ports = [Checked(suite.source, "portTests", each.name, "skipped") for each in suite.ports]
    return [*commands, *ports]
