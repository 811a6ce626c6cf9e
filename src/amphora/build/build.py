"""`amphora build` without its command line: a request in, an image in the store out.

Runs inside the worker's namespaces.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from amphora.build.assemble import assemble
from amphora.build.bases import Bases
from amphora.build.dockerfile.parser import Dockerfile, parse
from amphora.build.dockerfile.scope import unused_build_args
from amphora.build.events import Listener, Warned
from amphora.build.executor import Executor
from amphora.build.fetching import Fetcher
from amphora.build.filetree import FileTree
from amphora.build.ignore import IgnoreRules
from amphora.build.request import BuildRequest, BuildResult
from amphora.build.solver import Solver
from amphora.core.errors import ContextError
from amphora.emulation.support import Emulation
from amphora.oci.snapshots import Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces, workspace
from amphora.runtime.container import Runtime


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
    dockerfile = read_dockerfile(request.dockerfile)
    for warning in _warnings(dockerfile, request.build_args):
        listener(warning)
    context = open_context(request)
    sweep_workspaces(store.root)
    with workspace(store.root) as work:
        snapshots = Snapshots(store.blobs, work)
        solver = Solver(
            request,
            dockerfile,
            context,
            bases=Bases(
                store, twins=request.handoff, always_pull=request.pull, insecure=insecure_registries
            ),
            fetcher=Fetcher(store.root, work),
            executor=Executor(
                store,
                snapshots,
                work,
                jobs=jobs or len(os.sched_getaffinity(0)),
                use_cache=request.use_cache,
                source_date_epoch=request.source_date_epoch,
            ),
            snapshots=snapshots,
            emulation=Emulation(handoff=request.handoff),
            runtime=Runtime(work),
            work=work,
            listener=listener,
        )
        states = await solver.solve()
        image, variants = assemble(store.blobs, request.platforms, states, request.labels)
        return BuildResult(image, variants, solver.reporter.reports)


def _warnings(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> Iterator[Warned]:
    for notice in dockerfile.warnings:
        yield Warned(f"{dockerfile.filename}:{notice.line}", notice.message)
    for name in unused_build_args(dockerfile, build_args):
        yield Warned(f"--build-arg {name}", "no ARG of the Dockerfile takes it")


def read_dockerfile(path: Path) -> Dockerfile:
    """Parse the file; raises DockerfileError, or ContextError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContextError(
            f"cannot read the Dockerfile {path}",
            why=getattr(error, "strerror", None) or "it is not UTF-8 text",
            next_command="name the right file with -f, or give the right directory",
        ) from error
    return parse(text, str(path))


def open_context(request: BuildRequest) -> FileTree:
    """The build context without what its ignore file leaves out.

    `<Dockerfile>.dockerignore` goes before `.dockerignore`, as with BuildKit. Raises
    ContextError if there is no such directory, InvalidValueError for a bad pattern.
    """
    if not request.context.is_dir():
        raise ContextError(
            f"{request.context} is no build context",
            why="it is not a directory",
            next_command="give the directory that holds the files to COPY, often `.`",
        )
    own = request.dockerfile.with_name(f"{request.dockerfile.name}.dockerignore")
    ignore_file = own if own.exists() else request.context / ".dockerignore"
    if not ignore_file.exists():
        return FileTree(request.context)
    rules = IgnoreRules.parse(ignore_file.read_text(encoding="utf-8"), str(ignore_file))
    return FileTree(
        request.context,
        ignores=rules.ignores,
        prunes=lambda path: not rules.may_contain_exceptions(path),
    )
