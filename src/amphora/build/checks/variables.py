"""The checks of variables: names that nothing gives a value, in FROM and inside stages."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.expand import ExpansionError, expand
from amphora.build.dockerfile.parser import SCRATCH, Dockerfile, Stage
from amphora.build.dockerfile.scope import PROXY_ARGS, Scope, expand_from, global_scope
from amphora.build.dockerfile.source import Notice
from amphora.core.errors import DockerfileError, InvalidValueError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.config import DEFAULT_PATH

#: The ENV of an image; None if it is not known.
Environment = Callable[[str], Mapping[str, str] | None]


def check_variables(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    platform: Platform,
    environment: Environment,
) -> Iterator[Notice]:
    """UndefinedArgInFrom, InvalidDefaultArgInFrom, UndefinedVar.

    Stages on an image whose ENV is not known are not looked at for the last. What cannot be
    evaluated is for the build to refuse, if it needs that stage. Raises DockerfileError for
    global ARGs, which every build needs.
    """
    host = Platform.host()
    scope = global_scope(dockerfile, build_args, platform, host)
    defaults = _defaults(dockerfile, platform)
    declared = {item.name for arg in dockerfile.global_args for item in arg.variables}
    built: dict[int, StageScope | None] = {}
    for stage in dockerfile.stages:
        yield from _undeclared(stage, scope, declared)
        if defaults is not None:
            yield from _bad_default(dockerfile, stage, defaults, declared)
        inside = _stage_scope(dockerfile, stage, scope, built, environment)
        built[stage.index] = inside
        with suppress(DockerfileError):
            yield from _undefined(stage, inside)


def _defaults(dockerfile: Dockerfile, platform: Platform) -> Scope | None:
    """The global scope without build args; None if it insists on some."""
    try:
        return global_scope(dockerfile, {}, platform, Platform.host())
    except DockerfileError:
        return None


def _undeclared(stage: Stage, scope: Scope, declared: set[str]) -> Iterator[Notice]:
    base = stage.base
    known = {**scope.arguments, **dict.fromkeys(declared, "")}
    for word in filter(None, (base.platform, base.image)):
        for name in sorted(_bare(word, _unset(word, scope))):
            if name not in declared:
                message = f"no ARG before the first FROM declares {name}{_hint(name, known)}"
                yield Notice("UndefinedArgInFrom", message, base.source.start)


def _bad_default(
    dockerfile: Dockerfile, stage: Stage, defaults: Scope, declared: set[str]
) -> Iterator[Notice]:
    word = stage.base.image
    if "$" not in word or _unset(word, defaults) - declared:
        return
    try:
        image = expand_from(stage, defaults).image
        if image != SCRATCH and dockerfile.base_stage(image, stage) is None:
            Reference.parse(image)
    except (DockerfileError, InvalidValueError):
        message = f"without --build-arg, {stage.base.image!r} is not the name of an image"
        yield Notice("InvalidDefaultArgInFrom", message, stage.base.source.start)


def _stage_scope(
    dockerfile: Dockerfile,
    stage: Stage,
    scope: Scope,
    built: Mapping[int, StageScope | None],
    environment: Environment,
) -> StageScope | None:
    """The variables that a stage starts with; None if that cannot be known here."""
    try:
        image = expand_from(stage, scope).image
    except DockerfileError:
        return None
    parent = dockerfile.base_stage(image, stage)
    if parent is not None:
        above = built[parent.index]
        return above.child() if above else None
    known = {"PATH": DEFAULT_PATH} if image == SCRATCH else environment(image)
    return None if known is None else StageScope(scope, {"PATH": DEFAULT_PATH, **known})


def _undefined(stage: Stage, scope: StageScope | None) -> Iterator[Notice]:
    if scope is None:
        return
    for instruction in stage.instructions:
        scope.names_unset.clear()
        scope.apply(instruction)
        if isinstance(instruction, ins.Run):
            scope.mounts(instruction)
        for name in sorted(_bare(instruction.source.text, scope.names_unset)):
            if name in scope.arguments or name.upper() in PROXY_ARGS:
                continue
            hint = _hint(name, {**scope.scope.arguments, **scope.environment()})
            message = f"nothing gives ${name} a value{hint}"
            yield Notice("UndefinedVar", message, instruction.source.start)


def _unset(word: str, scope: Scope) -> frozenset[str]:
    """The variables of a word that have no value; none if it cannot be expanded."""
    try:
        return frozenset(expand(word, scope.arguments, escape=scope.escape).unset)
    except ExpansionError:
        return frozenset()


def _bare(text: str, names: set[str] | frozenset[str]) -> list[str]:
    """Those written without a word to take in place of the missing value."""
    return [name for name in names if name and _stands_bare(name, text)]


def _stands_bare(name: str, text: str) -> bool:
    """A name may be a special parameter (`$*`), which means something else to `re`."""
    escaped = re.escape(name)
    return re.search(rf"\$(?:{escaped}(?!\w)|\{{{escaped}[}}#%/])", text) is not None


def _hint(name: str, known: Mapping[str, str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean ${close[0]}?" if close else ""
