"""What a Dockerfile offers: its targets, and what one of them takes.

https://docs.docker.com/reference/cli/docker/buildx/build/#call
"""

from collections.abc import Iterator, Mapping, Sequence
from posixpath import basename

from msgspec import Struct

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.mounts import Mount
from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.scope import expand_from, global_scope
from amphora.build.dockerfile.sources import source_stages, stage_mounts
from amphora.core.errors import DockerfileError
from amphora.core.platform import Platform


class Target(Struct, frozen=True):
    """A stage that can be built; `description` is the comment above that begins with its name."""

    name: str
    description: str
    base: str
    line: int
    default: bool


class Argument(Struct, frozen=True):
    """An ARG of a target, with the value that it would have."""

    name: str
    value: str | None
    description: str
    line: int


class Attachment(Struct, frozen=True):
    """A secret or an agent that a RUN of a target mounts."""

    name: str
    required: bool
    line: int


class Outline(Struct, frozen=True):
    """All that the stages which a target needs ask for."""

    name: str
    description: str
    arguments: Sequence[Argument]
    secrets: Sequence[Attachment]
    agents: Sequence[Attachment]


def list_targets(dockerfile: Dockerfile) -> list[Target]:
    """Every stage, in the order of the file."""
    return [
        Target(
            name=stage.title,
            description=_description(dockerfile, stage.base, stage.name),
            base=stage.base.image,
            line=stage.base.source.start,
            default=stage is dockerfile.stages[-1],
        )
        for stage in dockerfile.stages
    ]


def outline(dockerfile: Dockerfile, target: str, build_args: Mapping[str, str]) -> Outline:
    """What `--target` takes; raises DockerfileError if there is no such stage."""
    stage = dockerfile.target_stage(target)
    needed = _needed(dockerfile, stage, build_args)
    arguments = {
        item.name: item
        for arg, values in _arguments(dockerfile, needed, build_args)
        for item in _described(dockerfile, arg, values)
    }
    host = Platform.host()
    scope = global_scope(dockerfile, {}, host, host)
    mounts = [found for each in needed for found in stage_mounts(each, scope)]
    return Outline(
        name=stage.title,
        description=_description(dockerfile, stage.base, stage.name),
        arguments=list(arguments.values()),
        secrets=_attachments(mounts, "secret"),
        agents=_attachments(mounts, "ssh"),
    )


def _description(dockerfile: Dockerfile, instruction: ins.Instruction, name: str) -> str:
    comment = dockerfile.comments.get(instruction.source.start - 1, "")
    first, _, rest = comment.partition(" ")
    return rest.strip() if name and first.lower() == name.lower() else ""


def _needed(dockerfile: Dockerfile, stage: Stage, build_args: Mapping[str, str]) -> list[Stage]:
    """The stage with all that it is based on or takes files from, in the order of the file."""
    host = Platform.host()
    scope = global_scope(dockerfile, build_args, host, host)
    found: dict[int, Stage] = {}
    pending = [stage]
    while pending:
        current = pending.pop()
        if current.index in found:
            continue
        found[current.index] = current
        try:
            parent = dockerfile.base_stage(expand_from(current, scope).image, current)
        except DockerfileError:
            parent = None
        pending += source_stages(dockerfile, current, scope)
        pending += [parent] if parent is not None else []
    return [found[index] for index in sorted(found)]


def _arguments(
    dockerfile: Dockerfile, stages: Sequence[Stage], build_args: Mapping[str, str]
) -> Iterator[tuple[ins.Arg, Mapping[str, str | None]]]:
    """Each ARG with the values of its variables, global ones first."""
    host = Platform.host()
    scope = global_scope(dockerfile, build_args, host, host)
    for arg in dockerfile.global_args:
        yield arg, scope.arguments
    for stage in stages:
        inside = StageScope(scope, {})
        for instruction in stage.instructions:
            if isinstance(instruction, ins.Arg | ins.Env):
                inside.apply(instruction)
            if isinstance(instruction, ins.Arg):
                yield instruction, inside.arguments


def _described(
    dockerfile: Dockerfile, arg: ins.Arg, values: Mapping[str, str | None]
) -> list[Argument]:
    return [
        Argument(
            name=variable.name,
            value=values.get(variable.name),
            description=_description(dockerfile, arg, variable.name),
            line=arg.source.start,
        )
        for variable in arg.variables
    ]


def _attachments(mounts: Sequence[tuple[int, Mount]], kind: str) -> list[Attachment]:
    found: dict[str, Attachment] = {}
    for line, mount in mounts:
        if mount.kind == kind:
            name = mount.id or mount.source or basename(mount.target) or "default"
            known = found.get(name)
            required = mount.required or (known is not None and known.required)
            found[name] = Attachment(name, required, known.line if known else line)
    return list(found.values())
