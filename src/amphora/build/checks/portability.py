"""What in a Dockerfile is right for one CPU only.

Such a build succeeds for every platform and puts programs of the wrong one under its label,
or fails for all but one. BuildKit has no checks for it; `amphora doctor` does these.
https://docs.docker.com/build/building/multi-platform/
"""

import re
from collections.abc import Iterator, Sequence

from amphora.build.checks.text import check_text
from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.heredoc import Heredoc
from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.source import Notice
from amphora.core.platform import Platform

#: Predefined, but a stage sees them only behind an ARG of its own, or of the stage it is from.
#: https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
_PREDEFINED = tuple(
    f"{side}{part}"
    for side in ("TARGET", "BUILD")
    for part in ("PLATFORM", "OS", "ARCH", "VARIANT")
)
_USED = re.compile(rf"\$\{{?({'|'.join(_PREDEFINED)})\b")
_ASSIGNED = re.compile(rf"\b({'|'.join(_PREDEFINED)})=")

#: How downloads and packages call CPUs; `x64` and the like only as a word of their own.
_NAMES = (
    "amd64|x86_64|x86-64|x64|arm64|aarch64|arm64v8|armhf|armv7l?|armv6l?|arm32v[567]|i[3-6]86"
    "|ppc64le|ppc64el|s390x|riscv64"
)
_CPU = re.compile(rf"(?<![A-Za-z0-9])({_NAMES})(?![A-Za-z0-9])")
_ALIASES = {"x64": "amd64"}

_ADDRESS = re.compile(r"(?:https?|ftp)://[^\s\"'`|;&<>)]+")
_PACKAGE = re.compile(
    r"(?<![\w./+~-])[\w./+~-]{1,300}\.(?:deb|rpm|apk|whl|AppImage|tgz|zip|tar\.(?:gz|xz|bz2|zst))\b"
    rf"|\bdeb \[[^\]]{{0,300}}arch=(?:{_NAMES})\b"
)
_COMPILER = re.compile(
    rf"\bGOARCH=[\"']?({_NAMES}|386)\b|--target[= ][\"']?({_NAMES})-|\btarget add ({_NAMES})-"
)
_DIRECTORY = re.compile(rf"/(?:lib|jvm|include)/[\w.-]*?({_NAMES})(?:-linux-(?:gnu|musl)\w*)?\b")

#: An instruction with one of these chooses by CPU, and so may name one.
_CHOICE = re.compile(
    r"(?:TARGET|BUILD)(?:ARCH|PLATFORM|VARIANT)\b|\buname\s+-[a-z]*[mpi]|print-arch|\$\(arch\)"
)

#: Repositories of Docker Hub that hold the images of one CPU.
_REPOSITORY = re.compile(
    r"(?:docker\.io/)?(amd64|arm32v[567]|arm64v8|i386|ppc64le|s390x|riscv64)/[^/]+"
)


#: Checks of BuildKit's own that are about platforms.
_RULES = frozenset({"FromPlatformFlagConstDisallowed", "RedundantTargetPlatform"})


def platform_notices(dockerfile: Dockerfile) -> list[Notice]:
    """These checks and those of BuildKit's that are about platforms, in the order of the lines."""
    known = [notice for notice in check_text(dockerfile) if notice.rule in _RULES]
    return sorted([*known, *check_portability(dockerfile)], key=lambda notice: notice.line)


def check_portability(dockerfile: Dockerfile) -> Iterator[Notice]:
    """All of it, stage by stage. What is said of several CPUs at once is left alone."""
    declared: dict[int, set[str]] = {}
    for stage in dockerfile.stages:
        parent = dockerfile.base_stage(stage.base.image, stage)
        names = set(declared[parent.index]) if parent else set[str]()
        yield from _base(stage)
        for instruction in stage.instructions:
            yield from _undeclared(instruction, names)
            names |= _declares(instruction)
            if not _is_for_one(stage):
                yield from _constants(instruction)
        declared[stage.index] = names


def _base(stage: Stage) -> Iterator[Notice]:
    """An image for one CPU, unless the stage says that it is meant."""
    base = stage.base
    if _is_for_one(stage) or "$" in base.image:
        return
    repository = _REPOSITORY.match(base.image)
    tag = _CPU.search(base.image.rpartition("/")[2].partition(":")[2].partition("@")[0])
    found = repository or tag
    if found:
        message = f"{base.image} is for {_platform(found[1])} whatever is built: name the image"
        yield Notice("BaseOfOnePlatform", f"{message} without it", base.source.start)


def _declares(instruction: ins.Instruction) -> set[str]:
    if isinstance(instruction, ins.Arg):
        return {variable.name for variable in instruction.variables}
    return {name for name, _ in instruction.pairs} if isinstance(instruction, ins.Env) else set()


def _undeclared(instruction: ins.Instruction, declared: set[str]) -> Iterator[Notice]:
    if isinstance(instruction, ins.Arg):
        return
    text = _text(instruction)
    own = set(_ASSIGNED.findall(text))
    for match in _first_of_each(_USED, text):
        name = match[1]
        if name not in declared | own:
            message = f"${name} is empty here: write `ARG {name}` above, in this stage"
            yield Notice("PlatformArgNotDeclared", message, _line(instruction, match[0]))


def _constants(instruction: ins.Instruction) -> Iterator[Notice]:
    """Downloads, compilers and directories that name one CPU where none is chosen."""
    text = _text(instruction)
    if _CHOICE.search(text) or len({_platform(name) for name in _CPU.findall(text)}) > 1:
        return
    for match in (*_ADDRESS.finditer(text), *_PACKAGE.finditer(text)):
        cpu = _CPU.search(match[0])
        if cpu:
            message = (
                f"{match[0][-80:]} is for {_platform(cpu[1])} whatever is built: use $TARGETARCH"
            )
            yield Notice("DownloadOfOnePlatform", message, _line(instruction, match[0]))
            return
    compiler, directory = _COMPILER.search(text), _DIRECTORY.search(text)
    if compiler:
        message = f"{compiler[0]} compiles for one platform whatever is built: use $TARGETARCH"
        yield Notice("CompilesForOnePlatform", message, _line(instruction, compiler[0]))
    elif directory:
        message = f"{directory[0]} is there on one platform only"
        yield Notice("DirectoryOfOnePlatform", message, _line(instruction, directory[0]))


def _is_for_one(stage: Stage) -> bool:
    """Does its --platform or its name (`build-amd64`) say that it is meant for one CPU?"""
    constant = stage.base.platform and "$" not in stage.base.platform
    return bool(constant or _CPU.search(stage.name.replace("_", "-")))


def _text(instruction: ins.Instruction) -> str:
    """All of an instruction, here-documents included."""
    documents: Sequence[Heredoc] = ()
    match instruction:
        case ins.Run(heredocs=heredocs):
            documents = heredocs
        case ins.Transfer(files=files):
            documents = files
    return "\n".join([instruction.source.text, *(each.body for each in documents)])


def _first_of_each(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    found: dict[str, re.Match[str]] = {}
    for match in pattern.finditer(text):
        found.setdefault(match[1], match)
    return list(found.values())


def _line(instruction: ins.Instruction, word: str) -> int:
    """The line that a word of an instruction stands in; its first one if it is further down."""
    source = instruction.source
    span = source.span(word)
    if span is None:
        return source.start
    return next(piece.line for piece in reversed(source.pieces) if piece.offset <= span[0])


def _platform(name: str) -> str:
    return str(Platform.normalise("linux", _ALIASES.get(name, name)))
