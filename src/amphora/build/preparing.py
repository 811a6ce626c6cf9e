"""Everything that one build, or the plan of one, has at hand before its first step."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from amphora.build.attest.facts import Material
from amphora.build.bases import Bases
from amphora.build.checks.check import Checked, check, insist
from amphora.build.contexts import Linked, NamedContexts
from amphora.build.dockerfile.scope import Line, fresh_lines, unused_build_args
from amphora.build.events import Listener, Warned
from amphora.build.executor import Executor
from amphora.build.fetching import Fetcher
from amphora.build.inputs import Inputs, Opener
from amphora.build.request import BuildRequest
from amphora.build.shared_cache import SharedCache
from amphora.build.workshop import Workshop

#: The build arg that stands in for the directive.
_SYNTAX = "BUILDKIT_SYNTAX"
#: The images of the language that this is, mirrored wherever, and BuildKit's own name for it.
_OUR_LANGUAGE = re.compile(r"(?:^|/)dockerfile(?:-upstream)?(?:[:@]|$)|^dockerfile\.v0$")


class Prepared(Struct, frozen=True):
    """What was asked for, where it is built, and where all that it needs comes from.

    `fetched` are the contexts that were, by location; it grows as they are opened.
    """

    request: BuildRequest
    shop: Workshop
    inputs: Inputs
    bases: Bases
    contexts: NamedContexts
    fetcher: Fetcher
    shared: SharedCache
    executor: Executor
    fetched: Mapping[str, Material]

    @property
    def fresh(self) -> set[Line]:
        """The lines whose steps are performed whatever is remembered."""
        return fresh_lines(self.inputs.dockerfile, self.request.no_cache_stages)


@asynccontextmanager
async def prepared(
    request: BuildRequest,
    shop: Workshop,
    *,
    insecure_registries: Sequence[str],
    listener: Listener,
    linked: Linked | None = None,
) -> AsyncIterator[Prepared]:
    """Read and check the Dockerfile and the context; the parameters are those of `build`.

    `linked` has what contexts mean that are other targets. Raises DockerfileError and
    ContextError.
    """
    store = shop.store
    fetcher = Fetcher(store.root, shop.work, request.run)
    opener = Opener(fetcher, shop.work, shop.hashes)
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
        lambda flag, text: listener(Warned(flag, text)),
    )
    executor = Executor(
        store,
        shop.snapshots,
        shop.work,
        slots=shop.slots,
        use_cache=request.use_cache,
        source_date_epoch=request.source_date_epoch,
        shared=shared,
        any_revision=request.any_revision,
        retries=request.retries,
    )
    contexts = NamedContexts(request.build_contexts, opener, bases, linked)
    async with shared:
        yield Prepared(
            request=request,
            shop=shop,
            inputs=inputs,
            bases=bases,
            contexts=contexts,
            fetcher=fetcher,
            shared=shared,
            executor=executor,
            fetched=opener.materials,
        )


def _warnings(checked: Checked, request: BuildRequest) -> Iterator[Warned]:
    dockerfile = checked.dockerfile
    for notice in checked.notices:
        yield Warned(f"{dockerfile.filename}:{notice.line}", f"{notice.message} ({notice.rule})")
    syntax = request.build_args.get(_SYNTAX, dockerfile.syntax)
    if syntax and not _OUR_LANGUAGE.search(syntax):
        text = f"{syntax[:80]} is another language, perhaps; it is read as docker/dockerfile"
        yield Warned(f"{dockerfile.filename}: syntax", text)
    for name in unused_build_args(dockerfile, request.build_args):
        yield Warned(f"--build-arg {name}", "no ARG of the Dockerfile takes it")
    titles = {stage.name for stage in dockerfile.stages} | set(
        map(str, range(len(dockerfile.stages)))
    )
    for name in request.no_cache_stages:
        if name.lower() not in titles:
            yield Warned(f"--no-cache-filter {name}", "no stage of the Dockerfile is called so")
