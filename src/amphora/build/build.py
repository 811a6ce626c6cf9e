"""`amphora build` without its command line: a request in, an image in the store out.

Runs inside the worker's namespaces.
"""

import os
from collections.abc import Iterator, Sequence

from amphora.build.assemble import assemble
from amphora.build.attaching import Attacher
from amphora.build.bases import Bases
from amphora.build.checks.check import Checked, check, insist
from amphora.build.contexts import NamedContexts
from amphora.build.dockerfile.scope import unused_build_args
from amphora.build.events import Listener, Warned
from amphora.build.executor import Executor
from amphora.build.fetching import Fetcher
from amphora.build.inputs import Opener
from amphora.build.request import BuildRequest, BuildResult
from amphora.build.shared_cache import SharedCache
from amphora.build.solver import Solver
from amphora.emulation.support import Emulation
from amphora.oci.cache_mounts import CacheMounts
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.container import Runtime
from amphora.runtime.networks import Networks
from amphora.system.memory import memory_directory


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
    sweep_workspaces(store.root)
    with workspace(store.root) as work, memory_directory(work / "memory") as private:
        fetcher = Fetcher(store.root, work)
        opener = Opener(fetcher, work)
        inputs = await opener.inputs(request)
        checked = check(inputs, request, store)
        for warning in _warnings(checked, request):
            listener(warning)
        insist(checked)
        bases = Bases(
            store, twins=request.handoff, always_pull=request.pull, insecure=insecure_registries
        )
        snapshots = Snapshots(store.blobs, work)
        for name in ("networks", "containers"):
            (private / name).mkdir()
        networks = Networks(private / "networks", lambda text: listener(Warned("--network", text)))
        shared = SharedCache(
            store,
            request.cache_from,
            insecure_registries,
            lambda text: listener(Warned("--cache-from", text)),
        )
        solver = Solver(
            request,
            inputs.dockerfile,
            inputs.context,
            bases=bases,
            contexts=NamedContexts(request.build_contexts, opener, bases),
            fetcher=fetcher,
            executor=Executor(
                store,
                snapshots,
                work,
                jobs=jobs or len(os.sched_getaffinity(0)),
                use_cache=request.use_cache,
                source_date_epoch=request.source_date_epoch,
                shared=shared,
                any_revision=request.any_revision,
            ),
            snapshots=snapshots,
            emulation=Emulation(handoff=request.handoff),
            # What a container is started with may hold secrets, so it is on no disk.
            runtime=Runtime(private / "containers"),
            networks=networks,
            attacher=Attacher(CacheMounts(store.root), private, request.run),
            work=work,
            private=private,
            listener=listener,
        )
        async with shared:
            async with networks:
                states = await solver.solve()
            own = {layer.blob.digest for state in states for layer in state.layers}
            for place in request.cache_to:
                await shared.save(place, own)
        image, variants = assemble(store.blobs, request.platforms, states, request.labels)
        return BuildResult(image, variants, solver.reporter.reports, solver.own_layers)


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
