"""A whole Dockerfile: global ARGs and stages, checked as far as text alone allows."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from amphora.build.dockerfile.grammar import read_instruction
from amphora.build.dockerfile.instructions import (
    Arg,
    Copy,
    Env,
    From,
    Instruction,
    Label,
    Maintainer,
    OnBuild,
    Transfer,
)
from amphora.build.dockerfile.lines import read_script
from amphora.build.dockerfile.source import Notice
from amphora.core.errors import DockerfileError

#: The base of a stage that begins with nothing.
SCRATCH = "scratch"

_RESERVED = frozenset({SCRATCH, "context"})


class Stage(Struct, frozen=True):
    """A FROM and the instructions up to the next one; stages are numbered from 0."""

    index: int
    base: From
    instructions: tuple[Instruction, ...] = ()

    @property
    def name(self) -> str:
        """Its name in lower case, or an empty text."""
        return self.base.name

    @property
    def title(self) -> str:
        """Its name, or `stage-N` as BuildKit calls one that has none."""
        return self.name or f"stage-{self.index}"


class Dockerfile(Struct, frozen=True):
    """A parsed file. `syntax` and `check` are the values of the directives, or None.

    `comments` are those between instructions, by line.
    """

    filename: str
    escape: str
    syntax: str | None
    check: str | None
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[Notice, ...]
    comments: Mapping[int, str] = field(default_factory=dict)

    def base_stage(self, image: str, stage: Stage) -> Stage | None:
        """The earlier stage that an expanded FROM of `stage` names; None: it names an image.

        As in BuildKit, upper case never names a stage here.
        """
        return _last_named(self.stages[: stage.index], image)

    def source_stage(self, reference: str, stage: Stage) -> Stage | None:
        """The stage that COPY --from in `stage` means; None if it names an image.

        Raises DockerfileError for a stage that does not come earlier.
        """
        earlier = self.stages[: stage.index]
        if reference.isdecimal():
            found = earlier[int(reference)] if int(reference[:9]) < len(earlier) else None
            exists = False
        else:
            found = _last_named(earlier, reference.lower())
            exists = _last_named(self.stages, reference.lower()) is not None
        if found is None and (exists or reference.isdecimal()):
            raise DockerfileError(
                f"stage {stage.title} cannot copy from stage {reference[:60]!r}",
                why=f"only the {len(earlier)} stages that come before it can be copied from",
                next_command="correct --from, or move the stage it names to before this one",
            )
        return found

    def target_stage(self, target: str = "") -> Stage:
        """The stage to build: by name or number, the last one by default.

        Raises DockerfileError if there is none.
        """
        if not target:
            return self.stages[-1]
        found = _last_named(self.stages, target.lower())
        if found is None and target.isdecimal() and int(target[:9]) < len(self.stages):
            found = self.stages[int(target)]
        if found is None:
            titles = ", ".join(stage.title for stage in self.stages)
            raise DockerfileError(
                f"{self.filename} has no stage {target[:60]!r}",
                why=f"its stages are {titles}",
                next_command="give --target one of them",
            )
        return found


def parse(text: str, filename: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile; raises DockerfileError with file, line and caret."""
    script = read_script(text, filename)
    instructions = [read_instruction(line) for line in script.lines]
    first = next((i for i, item in enumerate(instructions) if isinstance(item, From)), None)
    _check_head(filename, instructions[:first], has_stage=first is not None)
    stages = _split_stages(instructions[first:])
    notices = [*script.notices, *_warn_of_names(stages)]
    for instruction in instructions:
        notices += _warn_of(instruction)
    return Dockerfile(
        filename=filename,
        escape=script.escape,
        syntax=script.directives.get("syntax"),
        check=script.directives.get("check"),
        global_args=tuple(item for item in instructions[:first] if isinstance(item, Arg)),
        stages=stages,
        warnings=tuple(sorted(notices, key=lambda notice: notice.line)),
        comments=script.comments,
    )


def parse_trigger(expression: str, image: str) -> Instruction:
    """The instruction of an ONBUILD trigger kept in the config of `image`.

    Raises DockerfileError.
    """
    script = read_script(expression, f"ONBUILD of {image}")
    instructions = [read_instruction(line) for line in script.lines]
    if len(instructions) != 1 or isinstance(instructions[0], From | OnBuild | Maintainer):
        raise DockerfileError(
            f"the image {image} has an ONBUILD trigger that cannot run",
            why=f"{expression[:80]!r} is not one instruction for a stage",
            next_command="use another base image, or build that one again",
        )
    return instructions[0]


def _check_head(filename: str, head: Sequence[Instruction], *, has_stage: bool) -> None:
    wrong = next((item for item in head if not isinstance(item, Arg)), None)
    if wrong is not None:
        raise wrong.source.error(
            f"{wrong.keyword} stands before the first FROM",
            why="only ARG can come before it: every other instruction changes a stage",
            fix="begin with FROM",
        )
    if not has_stage:
        raise DockerfileError(
            f"{filename} has nothing to build",
            why="it holds no FROM" if head else "it holds no instruction",
            next_command="begin it with `FROM IMAGE`, or give the right file with -f",
        )


def _split_stages(instructions: Sequence[Instruction]) -> tuple[Stage, ...]:
    heads = [i for i, item in enumerate(instructions) if isinstance(item, From)]
    stages: list[Stage] = []
    for start, end in zip(heads, [*heads[1:], len(instructions)], strict=True):
        base = instructions[start]
        if isinstance(base, From):
            stages.append(Stage(len(stages), base, tuple(instructions[start + 1 : end])))
    return tuple(stages)


def _last_named(stages: Sequence[Stage], name: str) -> Stage | None:
    return next((stage for stage in reversed(stages) if name and stage.name == name), None)


def _warn_of_names(stages: Sequence[Stage]) -> list[Notice]:
    notices: list[Notice] = []
    seen: set[str] = set()
    for stage in stages:
        line = stage.base.source.start
        if stage.name in _RESERVED:
            message = f"{stage.name!r} has a meaning of its own and should not name a stage"
            notices.append(Notice("ReservedStageName", message, line))
        if stage.name in seen:
            message = f"a stage before has the name {stage.name!r} too; later lines mean this one"
            notices.append(Notice("DuplicateStageName", message, line))
        seen.add(stage.name or f"stage {stage.index}")
    return notices


def _warn_of(instruction: Instruction) -> list[Notice]:
    line = instruction.source.start
    if isinstance(instruction, Maintainer):
        message = "MAINTAINER is deprecated; write LABEL org.opencontainers.image.authors=…"
        return [Notice("MaintainerDeprecated", message, line)]
    if isinstance(instruction, Env | Label) and instruction.legacy:
        message = f"write {instruction.keyword} KEY=VALUE, with the `=`"
        return [Notice("LegacyKeyValueFormat", message, line)]
    if isinstance(instruction, Transfer) and _is_unclear_destination(instruction):
        message = f"{instruction.keyword} of several files: end the destination with a slash"
        return [Notice("DestinationWithoutSlash", message, line)]
    return []


def _is_unclear_destination(transfer: Transfer) -> bool:
    several = len(transfer.sources) + len(transfer.files) > 1
    parents = isinstance(transfer, Copy) and transfer.parents
    ends = ("/", ".", "}") if "$" in transfer.destination else ("/", ".")
    return several and not parents and not transfer.destination.endswith(ends)
