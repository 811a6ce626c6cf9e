"""The checks that need nothing but the text of the Dockerfile."""

import re
from collections import Counter
from collections.abc import Iterator

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.source import Notice

_SECRET = re.compile(
    r"(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|psw|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_PUBLIC = re.compile(r"(?:^|_)public(?:_|$)", re.IGNORECASE)
_TARGET = re.compile(r"\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})")
_WINDOWS_ROOT = re.compile(r"[a-zA-Z]:")

#: An image has one of each; the last one counts.
_ONCE = (ins.Cmd, ins.Entrypoint, ins.Healthcheck)


def check_text(dockerfile: Dockerfile) -> Iterator[Notice]:
    """What the parser noticed, and all that can be told line by line."""
    yield from dockerfile.warnings
    yield from _casing(dockerfile)
    args = [*dockerfile.global_args]
    for stage in dockerfile.stages:
        args += [item for item in stage.instructions if isinstance(item, ins.Arg)]
    for arg in args:
        yield from _described(dockerfile, arg, [variable.name for variable in arg.variables])
    absolute: dict[int, bool] = {}
    for stage in dockerfile.stages:
        parent = dockerfile.base_stage(stage.base.image, stage)
        absolute[stage.index] = parent is not None and absolute[parent.index]
        yield from _from(stage)
        yield from _described(dockerfile, stage.base, [stage.name] if stage.name else [])
        yield from _repeated(stage)
        yield from _shell_form(stage)
        for instruction in stage.instructions:
            yield from _instruction(instruction)
            if isinstance(instruction, ins.Workdir):
                if not (absolute[stage.index] or _is_absolute(instruction.path)):
                    message = f"where {instruction.path!r} is depends on the base image"
                    yield _notice("WorkdirRelativePath", message, instruction)
                absolute[stage.index] |= _is_absolute(instruction.path)


def _notice(rule: str, message: str, instruction: ins.Instruction) -> Notice:
    return Notice(rule, message, instruction.source.start)


def _keyword(instruction: ins.Instruction) -> str:
    """As it is written."""
    return instruction.source.text.split(maxsplit=1)[0]


def _casing(dockerfile: Dockerfile) -> Iterator[Notice]:
    """Keywords in upper or in lower case: as most of them are."""
    instructions: list[ins.Instruction] = [*dockerfile.global_args]
    for stage in dockerfile.stages:
        instructions += [stage.base, *stage.instructions]
    cases = Counter(_case(_keyword(item)) for item in instructions)
    wanted = "lower" if cases["lower"] > cases["upper"] else "upper"
    for item in instructions:
        if _case(_keyword(item)) != wanted:
            message = f"{_keyword(item)!r} is not in {wanted} case as most instructions are"
            yield _notice("ConsistentInstructionCasing", message, item)


def _case(word: str) -> str:
    return "upper" if word.isupper() else "lower" if word.islower() else "mixed"


def _from(stage: Stage) -> Iterator[Notice]:
    base = stage.base
    words = base.source.text.split()
    if base.name and words[-1] != words[-1].lower():
        message = f"the name {words[-1]!r} should be in lower case"
        yield _notice("StageNameCasing", message, base)
    if base.name and _case(words[0]) != _case(words[-2]):
        message = f"{words[0]!r} and {words[-2]!r} are not in the same case"
        yield _notice("FromAsCasing", message, base)
    if _TARGET.fullmatch(base.platform):
        message = "--platform=$TARGETPLATFORM is what is taken without it"
        yield _notice("RedundantTargetPlatform", message, base)
    elif base.platform and "$" not in base.platform and not _says_platform(stage):
        message = f"--platform={base.platform} holds for every platform that is built"
        yield _notice("FromPlatformFlagConstDisallowed", message, base)


def _says_platform(stage: Stage) -> bool:
    """A stage for one CPU may say so, if its name does: `build_amd64`."""
    return any(part in stage.name for part in stage.base.platform.lower().split("/")[1:])


def _repeated(stage: Stage) -> Iterator[Notice]:
    for kind in _ONCE:
        found = [item for item in stage.instructions if isinstance(item, kind)]
        for item in found[:-1]:
            message = f"a later {kind.keyword} of this stage takes the place of this one"
            yield _notice("MultipleInstructionsDisallowed", message, item)


def _shell_form(stage: Stage) -> Iterator[Notice]:
    """Not where SHELL says which shell is meant."""
    if any(isinstance(item, ins.Shell) for item in stage.instructions):
        return
    for item in stage.instructions:
        if isinstance(item, ins.Cmd | ins.Entrypoint) and isinstance(item.command, str):
            message = (
                f"a shell stands between {item.keyword}'s program and signals: use a JSON array"
            )
            yield _notice("JSONArgsRecommended", message, item)


def _instruction(instruction: ins.Instruction) -> Iterator[Notice]:
    match instruction:
        case ins.Arg(variables=variables):
            yield from _secrets(instruction, [variable.name for variable in variables])
        case ins.Env(pairs=pairs):
            yield from _secrets(instruction, [name for name, _ in pairs])
        case ins.Expose(ports=ports):
            yield from _ports(instruction, ports)


def _secrets(instruction: ins.Instruction, names: list[str]) -> Iterator[Notice]:
    for name in names:
        if _SECRET.search(name) and not _PUBLIC.search(name):
            message = (
                f"{name} looks like a secret, which everybody finds in the image: use --secret"
            )
            yield _notice("SecretsUsedInArgOrEnv", message, instruction)


def _ports(instruction: ins.Expose, ports: tuple[str, ...]) -> Iterator[Notice]:
    for port in ports:
        number, _, protocol = port.rpartition("/")
        if number and protocol != protocol.lower() and "$" not in protocol:
            message = f"the protocol of {port} should be in lower case"
            yield _notice("ExposeProtoCasing", message, instruction)
        if ":" in port and "$" not in port:
            message = f"{port}: addresses and ports of the host mean nothing here"
            yield _notice("ExposeInvalidFormat", message, instruction)


def _described(
    dockerfile: Dockerfile, instruction: ins.Instruction, names: list[str]
) -> Iterator[Notice]:
    """A comment right above a stage or an ARG is taken for its description."""
    comment = dockerfile.comments.get(instruction.source.start - 1, "")
    if comment and names and comment.split(maxsplit=1)[0] not in names:
        message = f"begin the comment above with {names[0]!r}, or leave an empty line below it"
        yield _notice("InvalidDefinitionDescription", message, instruction)


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "$", "\\")) or bool(_WINDOWS_ROOT.match(path))
