"""`amphora build` without its command line: a request in, an image in the store out.

Runs inside the worker's namespaces.
"""

from collections.abc import Iterator, Sequence

from amphora.build.assemble import assemble
from amphora.build.bases import Bases
from amphora.build.checks.check import Checked, check, insist
from amphora.build.contexts import NamedContexts
from amphora.build.dockerfile.scope import fresh_lines, unused_build_args
from amphora.build.events import Listener, Warned
from amphora.build.executor import Executor
from amphora.build.fetching import Fetcher
from amphora.build.inputs import Opener
from amphora.build.programs import Programs
from amphora.build.request import BuildRequest, BuildResult
from amphora.build.shared_cache import SharedCache
from amphora.build.solver import Solver
from amphora.build.taking import Taker
from amphora.build.workshop import workshop
from amphora.oci.store import Store
from amphora.system.tasks import together


async def build(
    request: BuildRequest,
    store: Store,
    *,
    jobs: int,
    insecure_registries: Sequence[str],
    listener: Listener,
) -> BuildResult:
    """Build every platform of a request side by side and store the image, without a name.

    `jobs` is how many steps may run at once; 0 means as many as there are CPUs.
    Raises the errors of every part: DockerfileError, ContextError, StepFailedError, ….
    """
    with workshop(store, handoff=request.handoff, jobs=jobs, listener=listener) as shop:
        fetcher = Fetcher(store.root, shop.work)
        opener = Opener(fetcher, shop.work)
        inputs = await opener.inputs(request)
        checked = check(inputs, request, store)
        for warning in _warnings(checked, request):
            listener(warning)
        insist(checked)
        bases = Bases(
            store, twins=request.handoff, always_pull=request.pull, insecure=insecure_registries
        )
        shared = SharedCache(
            store,
            request.cache_from,
            insecure_registries,
            lambda text: listener(Warned("--cache-from", text)),
        )
        executor = Executor(
            store,
            shop.snapshots,
            shop.work,
            jobs=shop.jobs,
            use_cache=request.use_cache,
            source_date_epoch=request.source_date_epoch,
            shared=shared,
            any_revision=request.any_revision,
        )
        async with shared:
            async with shop.networks, together() as group:
                fresh = fresh_lines(inputs.dockerfile, request.no_cache_stages)
                taker = Taker(group, executor, shop.snapshots, shop.reporter, fresh)
                solver = Solver(
                    request,
                    inputs,
                    shop,
                    group=group,
                    bases=bases,
                    contexts=NamedContexts(request.build_contexts, opener, bases),
                    fetcher=fetcher,
                    content=executor.content,
                    taker=taker,
                    programs=Programs(
                        group,
                        taker,
                        shop,
                        network=request.run.network,
                        any_revision=request.any_revision,
                    ),
                )
                states = await solver.solve()
            own = {layer.blob.digest for state in states for layer in state.layers}
            for place in request.cache_to:
                await shared.save(place, own)
        image, variants = assemble(store.blobs, request.platforms, states, request.labels)
        return BuildResult(image, variants, shop.reporter.reports, taker.own_layers)


def _warnings(checked: Checked, request: BuildRequest) -> Iterator[Warned]:
    dockerfile = checked.dockerfile
    for notice in checked.notices:
        yield Warned(f"{dockerfile.filename}:{notice.line}", f"{notice.message} ({notice.rule})")
    for name in unused_build_args(dockerfile, request.build_args):
        yield Warned(f"--build-arg {name}", "no ARG of the Dockerfile takes it")
    titles = {stage.name for stage in dockerfile.stages} | set(
        map(str, range(len(dockerfile.stages)))
    )
    for name in request.no_cache_stages:
        if name.lower() not in titles:
            yield Warned(f"--no-cache-filter {name}", "no stage of the Dockerfile is called so")
