"""`amphora build` without its command line: a request in, an image in the store out.

Runs inside the worker's namespaces.
"""

import time
from collections.abc import Sequence

from amphora.build.assemble import assemble
from amphora.build.attest.attest import Notary
from amphora.build.caches.places import Inline
from amphora.build.events import Listener, Planned
from amphora.build.plan.make import make_plan
from amphora.build.plan.plan import Plan
from amphora.build.preparing import prepared
from amphora.build.request import BuildRequest, BuildResult
from amphora.build.solver import Solver
from amphora.build.taking import Taker
from amphora.oci.store import Store
from amphora.system.tasks import together


async def build(
    request: BuildRequest,
    store: Store,
    *,
    jobs: int,
    insecure_registries: Sequence[str],
    listener: Listener,
    planning: bool = False,
) -> BuildResult:
    """Build every platform of a request side by side and store the image, without a name.

    `jobs` is how many steps may run at once; 0 means as many as there are CPUs. With
    `planning` the listener is told the plan before anything of it is done.
    Raises the errors of every part: DockerfileError, ContextError, StepFailedError, ….
    """
    started = time.time()
    async with prepared(
        request, store, jobs=jobs, insecure_registries=insecure_registries, listener=listener
    ) as ready:
        expected = await make_plan(ready) if planning else None
        if expected is not None:
            listener(Planned(expected))
        async with together() as group:
            taker = Taker(group, ready.executor, ready.shop, ready.fresh)
            solver = Solver(ready, group, taker)
            states = await solver.solve()
        own = {layer.blob.digest for state in states for layer in state.layers}
        await ready.shared.save(request.cache_to, own)
        is_inline = any(isinstance(place.where, Inline) for place in request.cache_to)
        inline = ready.shared.records(own) if is_inline else {}
        image, variants = assemble(store.blobs, request.platforms, states, request.labels, inline)
        predicates = await Notary(ready, solver.ledger, started).predicates(states)
        return BuildResult(
            image,
            variants,
            ready.shop.reporter.reports,
            taker.own_layers,
            expected,
            predicates,
        )


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
    async with prepared(
        request, store, jobs=jobs, insecure_registries=insecure_registries, listener=listener
    ) as ready:
        return await make_plan(ready)
