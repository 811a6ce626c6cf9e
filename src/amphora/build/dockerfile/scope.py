"""The scope around all stages: build args, global ARGs, platform arguments; and FROM.

https://docs.docker.com/reference/dockerfile/#scope and #predefined-args
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.expand import Expansion, ExpansionError, expand
from amphora.build.dockerfile.grammar import EPOCH, PLATFORM_FIX
from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.source import Source
from amphora.core.errors import DockerfileError
from amphora.core.platform import Platform

#: Where an instruction stands: the file's name, and its first line.
Line: TypeAlias = tuple[str, int]

#: Build args that reach every RUN without an ARG, and no history or cache key.
PROXY_ARGS = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"})


class Scope(Struct, frozen=True):
    """The global scope: `arguments` are visible in FROM, and in a stage behind `ARG NAME`."""

    arguments: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str = "\\"

    @property
    def proxy_environment(self) -> dict[str, str]:
        """The proxy settings among the build args, in both cases, for RUN only."""
        given = {
            name: value for name, value in self.build_args.items() if name.upper() in PROXY_ARGS
        }
        upper = {name.upper(): value for name, value in given.items()}
        return upper | {name.lower(): value for name, value in upper.items()}


def global_scope(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    target: Platform,
    build: Platform,
    *,
    target_stage: str = "",
) -> Scope:
    """Evaluate the ARGs before the first FROM; raises DockerfileError.

    `build_args` win over the defaults, also over the predefined platform arguments.
    """
    name = target_stage or dockerfile.stages[-1].name or "default"
    predefined = _platform_arguments(target, build) | {"TARGETSTAGE": name}
    arguments = {key: build_args.get(key, value) for key, value in predefined.items()}
    for arg in dockerfile.global_args:
        for variable in arg.variables:
            value = build_args.get(variable.name)
            if value is None and variable.default is not None:
                default = variable.default
                value = expand_at(arg.source, default, arguments, dockerfile.escape).text
            if value is not None:
                arguments[variable.name] = value
    return Scope(arguments, dict(build_args), dockerfile.escape)


def expand_from(stage: Stage, scope: Scope) -> ins.From:
    """The FROM of a stage with its variables replaced and its platform in normal form.

    Raises DockerfileError for a blank image name or an impossible platform.
    """
    base = stage.base
    image = expand_at(base.source, base.image, scope.arguments, scope.escape)
    if not image.text:
        raise _blank(base, base.image, image, scope.arguments, "the name of the base image")
    platform = ""
    if base.platform:
        expansion = expand_at(base.source, base.platform, scope.arguments, scope.escape)
        if not expansion.text:
            raise _blank(base, base.platform, expansion, scope.arguments, "--platform")
        with base.source.explain(
            "--platform is wrong", base.source.span(base.platform), PLATFORM_FIX
        ):
            platform = str(Platform.parse(expansion.text))
    return replace(base, image=image.text, platform=platform)


def base_chain(dockerfile: Dockerfile, stage: Stage, scope: Scope) -> list[Stage]:
    """The stage, the one it is based on, and so on. Raises as expand_from does."""
    chain = [stage]
    while (
        base := dockerfile.base_stage(expand_from(chain[-1], scope).image, chain[-1])
    ) is not None:
        chain.append(base)
    return chain


def unused_build_args(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> list[str]:
    """The build args that no ARG declares and that are not predefined, for a warning."""
    args = [*dockerfile.global_args]
    for stage in dockerfile.stages:
        args += [item for item in stage.instructions if isinstance(item, ins.Arg)]
    declared = {variable.name for arg in args for variable in arg.variables}
    anyone = Platform("linux", "amd64")
    declared |= _platform_arguments(anyone, anyone).keys() | {"TARGETSTAGE", EPOCH}
    return sorted(
        name
        for name in build_args
        if name not in declared
        and name.upper() not in PROXY_ARGS
        and not name.startswith("BUILDKIT_")
    )


def lines(stage: Stage) -> set[Line]:
    """Where the instructions of a stage stand."""
    sources = [item.source for item in (stage.base, *stage.instructions)]
    return {(source.filename, source.start) for source in sources}


def fresh_lines(dockerfile: Dockerfile, stages: Collection[str]) -> set[Line]:
    """Where the instructions of the stages with these names (--no-cache-filter) stand."""
    wanted = {name.lower() for name in stages}
    found = [item for item in dockerfile.stages if wanted & {item.name, str(item.index)} - {""}]
    return {line for stage in found for line in lines(stage)}


def expand_at(
    source: Source,
    word: str,
    environment: Mapping[str, str],
    escape: str,
    *,
    ignore_quotes: bool = False,
) -> Expansion:
    """Expand a word of an instruction; raises DockerfileError pointing at it."""
    try:
        return expand(word, environment, escape=escape, ignore_quotes=ignore_quotes)
    except ExpansionError as error:
        raise source.error(
            f"{word[:60]!r} cannot be expanded",
            why=str(error),
            fix=f"correct it; a {escape} before a quote or $ makes it an ordinary character",
            span=source.span(word),
        ) from error


def _platform_arguments(target: Platform, build: Platform) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        arguments[f"{prefix}PLATFORM"] = str(platform)
        arguments[f"{prefix}OS"] = platform.os
        arguments[f"{prefix}ARCH"] = platform.architecture
        arguments[f"{prefix}VARIANT"] = platform.variant
    return arguments


def _blank(
    base: ins.From, word: str, expansion: Expansion, known: Mapping[str, str], what: str
) -> DockerfileError:
    unset = sorted(expansion.unset)
    close = get_close_matches(unset[0], known, n=1) if unset else []
    reason = f"no ARG before the first FROM gives {unset[0]} a value" if unset else "it is empty"
    return base.source.error(
        f"{what} is blank",
        why=f"{word!r} expands to nothing: {reason}",
        fix=f"did you mean {close[0]}?" if close else "declare it with a default, or --build-arg",
        span=base.source.span(word),
    )
