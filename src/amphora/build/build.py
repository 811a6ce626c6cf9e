"""`amphora build` without its command line: a request in, an image in the store out.

Runs inside the worker's namespaces.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress

from amphora.build.assemble import assemble
from amphora.build.attest.attest import Notary
from amphora.build.caches.places import Inline
from amphora.build.events import Listener, Planned
from amphora.build.plan.make import make_plan
from amphora.build.plan.plan import Plan
from amphora.build.preparing import Prepared, prepared
from amphora.build.request import BuildRequest, BuildResult
from amphora.build.solver import Solver
from amphora.build.state import ImageState
from amphora.build.taking import Taken, Taker
from amphora.build.workshop import workshop
from amphora.core.digest import Digest
from amphora.core.errors import DiskFullError
from amphora.core.platform import Platform
from amphora.oci.store import Store
from amphora.system.cgroup_shared import SharedGroup
from amphora.system.tasks import together


async def build(
    request: BuildRequest,
    store: Store,
    *,
    jobs: int,
    insecure_registries: Sequence[str],
    listener: Listener,
    planning: bool = False,
    cgroup: SharedGroup | None = None,
) -> BuildResult:
    """Build every platform of a request side by side and store the image, without a name.

    `jobs` is how many steps may run at once; 0 means as many as there are CPUs. With
    `planning` the listener is told the plan before anything of it is done. `cgroup` is the
    control group that containers are in.
    Raises the errors of every part: DockerfileError, ContextError, StepFailedError, ….
    """
    requests = {"": request}
    found = await build_together(
        requests,
        store,
        jobs=jobs,
        insecure_registries=insecure_registries,
        listener=listener,
        planning=planning,
        cgroup=cgroup,
    )
    return found[""]


async def build_together(
    requests: Mapping[str, BuildRequest],
    store: Store,
    *,
    jobs: int,
    insecure_registries: Sequence[str],
    listener: Listener,
    planning: bool = False,
    cgroup: SharedGroup | None = None,
) -> dict[str, BuildResult]:
    """Build several requests side by side; a step that several of them need is taken once.

    What a context `target:NAME` means is what the request of that name comes to. The first
    that fails ends all. The parameters are those of `build`.
    """
    started = time.time()
    solvers: dict[str, Solver] = {}

    async def linked(name: str, platform: Platform) -> ImageState:
        return await solvers[name].linked(name, platform)

    async with AsyncExitStack() as opened:
        several = len(requests) > 1
        handoff = any(request.handoff for request in requests.values())
        shop = opened.enter_context(
            workshop(store, handoff=handoff, jobs=jobs, listener=listener, cgroup=cgroup)
        )
        await opened.enter_async_context(shop.networks)
        ready = {
            name: await opened.enter_async_context(
                prepared(
                    request,
                    shop.of(name) if several else shop,
                    insecure_registries=insecure_registries,
                    listener=listener,
                    linked=linked if several else None,
                )
            )
            for name, request in requests.items()
        }
        plans = {name: await make_plan(each) for name, each in ready.items() if planning}
        for expected in plans.values():
            listener(Planned(expected))
        taken = Taken()
        # A build that fails has used what it got to, too.
        opened.callback(_note, store, taken)
        async with together() as group:
            for name, each in ready.items():
                taker = Taker(group, each.executor, each.shop, each.fresh, taken)
                solvers[name] = Solver(each, group, taker)
            tasks = {name: group.create_task(each.solve()) for name, each in solvers.items()}
        return {
            name: await _result(
                each,
                solvers[name],
                tasks[name].result(),
                own_layers=taken.own_layers,
                started=started,
                expected=plans.get(name),
            )
            for name, each in ready.items()
        }


def _note(store: Store, taken: Taken) -> None:
    """When its steps were used last; a disk that is full for that is full for the build."""
    with suppress(DiskFullError):
        store.note_uses(taken.uses)


async def _result(
    ready: Prepared,
    solver: Solver,
    states: list[ImageState],
    *,
    own_layers: set[Digest],
    started: float,
    expected: Plan | None,
) -> BuildResult:
    """The image that the states are, in the store, what was taken in the caches, and its facts."""
    request, shop = ready.request, ready.shop
    own = {layer.blob.digest for state in states for layer in state.layers}
    await ready.shared.save(request.cache_to, own)
    is_inline = any(isinstance(place.where, Inline) for place in request.cache_to)
    inline = ready.shared.records(own) if is_inline else {}
    image, variants = assemble(
        shop.store.blobs,
        request.platforms,
        states,
        request.labels,
        inline,
        always_index=request.always_index,
    )
    predicates = await Notary(ready, solver.ledger, started).predicates(states)
    return BuildResult(image, variants, shop.reporter.reports, own_layers, expected, predicates)


async def plan(
    request: BuildRequest,
    store: Store,
    *,
    jobs: int,
    insecure_registries: Sequence[str],
    listener: Listener,
) -> Plan:
    """What `build` would do with the same arguments; base images are fetched, nothing is built.

    Raises what reading the Dockerfile, the context and the images does.
    """
    with workshop(store, handoff=request.handoff, jobs=jobs, listener=listener) as shop:
        async with (
            shop.networks,
            prepared(
                request, shop, insecure_registries=insecure_registries, listener=listener
            ) as ready,
        ):
            return await make_plan(ready)
