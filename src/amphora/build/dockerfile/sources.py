"""Which stages another one takes files from: known before any of them is built."""

from collections.abc import Iterator

from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.instructions import Copy, Run
from amphora.build.dockerfile.mounts import Mount
from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.scope import Scope


def source_stages(dockerfile: Dockerfile, stage: Stage, scope: Scope) -> list[Stage]:
    """Those that COPY --from and RUN --mount=from=… name, in their order.

    Raises DockerfileError for a stage that does not come earlier, or a mount that is none.
    """
    found = (dockerfile.source_stage(name, stage) for name in _names(stage, scope) if name)
    return [source for source in found if source is not None]


def stage_mounts(stage: Stage, scope: Scope) -> Iterator[tuple[int, Mount]]:
    """The mounts of a stage with their lines; raises DockerfileError."""
    inside = StageScope(scope, {})
    for instruction in stage.instructions:
        if isinstance(instruction, Run):
            for mount in inside.mounts(instruction):
                yield instruction.source.start, mount


def _names(stage: Stage, scope: Scope) -> Iterator[str]:
    yield from (item.from_ for item in stage.instructions if isinstance(item, Copy))
    yield from (mount.from_ for _, mount in stage_mounts(stage, scope))
