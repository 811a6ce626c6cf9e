"""Variables: what ARG and ENV make of the instructions, for one platform and one set of build args.

https://docs.docker.com/reference/dockerfile/#scope and #predefined-args. A stage is
evaluated instruction by instruction, because the environment of its base image is
known only when that image is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.expand import Expansion, ExpansionError, expand
from amphora.build.dockerfile.heredoc import Heredoc
from amphora.build.dockerfile.parser import Dockerfile, Stage
from amphora.build.dockerfile.source import Source
from amphora.build.dockerfile.values import check_signal, read_ports
from amphora.core.errors import DockerfileError
from amphora.core.platform import Platform

#: Build args that reach every RUN without an ARG, and no history or cache key.
PROXY_ARGS = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"})

#: Used by the builder itself, so that giving it is never a mistake.
SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, slots=True)
class Scope:
    """The global scope: `arguments` are visible in FROM, and in a stage behind `ARG NAME`.

    `predefined` are the names of the platform arguments; `read` are the names that the
    defaults of global ARGs looked at.
    """

    arguments: Mapping[str, str]
    build_args: Mapping[str, str]
    escape: str = "\\"
    predefined: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()

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
    read: set[str] = set()
    for arg in dockerfile.global_args:
        for variable in arg.variables:
            value = build_args.get(variable.name)
            if value is None and variable.default is not None:
                expansion = _expand(arg.source, variable.default, arguments, dockerfile.escape)
                read |= expansion.read
                value = expansion.text
            if value is not None:
                arguments[variable.name] = value
    return Scope(
        arguments, dict(build_args), dockerfile.escape, frozenset(predefined), frozenset(read)
    )


def expand_from(stage: Stage, scope: Scope) -> ins.From:
    """The FROM of a stage with its variables replaced and its platform in normal form.

    Raises DockerfileError for a blank image name or an impossible platform.
    """
    base = stage.base
    image = _expand(base.source, base.image, scope.arguments, scope.escape)
    if not image.text:
        raise _blank(base, base.image, image, scope.arguments, "the name of the base image")
    platform = ""
    if base.platform:
        expansion = _expand(base.source, base.platform, scope.arguments, scope.escape)
        if not expansion.text:
            raise _blank(base, base.platform, expansion, scope.arguments, "--platform")
        with base.source.explain("--platform is wrong", base.source.span(base.platform)):
            platform = str(Platform.parse(expansion.text))
    return replace(base, image=image.text, platform=platform)


def read_by_from(stage: Stage, scope: Scope) -> frozenset[str]:
    """The names that the FROM of a stage looks at."""
    words = (stage.base.image, stage.base.platform)
    return frozenset().union(
        *(_expand(stage.base.source, word, scope.arguments, scope.escape).read for word in words)
    )


def unused_build_args(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> list[str]:
    """The build args that no ARG declares and that are not predefined, for a warning."""
    args = [*dockerfile.global_args]
    for stage in dockerfile.stages:
        args += [item for item in stage.instructions if isinstance(item, ins.Arg)]
    declared = {variable.name for arg in args for variable in arg.variables}
    anyone = Platform("linux", "amd64")
    declared |= _platform_arguments(anyone, anyone).keys() | {"TARGETSTAGE", SOURCE_DATE_EPOCH}
    return sorted(
        name
        for name in build_args
        if name not in declared
        and name.upper() not in PROXY_ARGS
        and not name.startswith("BUILDKIT_")
    )


@dataclass(slots=True)
class StageScope:
    """The variables inside one stage, as they change from instruction to instruction.

    `image_environment` is what the image config keeps: the base image's and ENV's.
    `arguments` are the ARGs that were declared, `None` where without value.
    `names_read` and `names_unset` collect what expansion looked at.
    """

    scope: Scope
    image_environment: dict[str, str]
    arguments: dict[str, str | None] = field(default_factory=dict)
    names_read: set[str] = field(default_factory=set)
    names_unset: set[str] = field(default_factory=set)
    _variables: dict[str, str] = field(default_factory=dict)

    def __init__(self, scope: Scope, base_env: Mapping[str, str] | Iterable[str]) -> None:
        """`base_env` is a mapping, or `NAME=VALUE` texts as an image config has them."""
        self.scope = scope
        self.image_environment = _as_mapping(base_env)
        self.arguments = {}
        self.names_read = set()
        self.names_unset = set()
        self._variables = dict(self.image_environment)

    def child(self) -> "StageScope":
        """The scope of a stage that is based on this one: ENV and ARG values carry over."""
        child = StageScope(self.scope, self.image_environment)
        child.arguments = dict(self.arguments)
        child._variables = dict(self._variables)
        return child

    def environment(self) -> dict[str, str]:
        """What a RUN sees: ENV and the ARGs in scope; where both set a name, the later did."""
        return dict(self._variables)

    @property
    def build_args_used(self) -> dict[str, str]:
        """The ARGs in scope with their values now, as `RUN |1 NAME=VALUE …` shows them."""
        return {
            name: self._variables.get(name, value or "") for name, value in self.arguments.items()
        }

    def apply(self, instruction: ins.Instruction) -> ins.Instruction:
        """The instruction with its variables replaced; ARG and ENV change the scope.

        RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK, ONBUILD and MAINTAINER come back as
        they are. Raises DockerfileError.
        """
        expanders: dict[type[ins.Instruction], Callable[..., ins.Instruction]] = {
            ins.Arg: self._arg,
            ins.Env: self._env,
            ins.Label: self._label,
            ins.Copy: self._transfer,
            ins.Add: self._transfer,
            ins.Workdir: lambda item: replace(item, path=self._text(item, item.path)),
            ins.User: lambda item: replace(item, user=self._text(item, item.user)),
            ins.StopSignal: self._stop_signal,
            ins.Expose: self._expose,
            ins.Volume: self._volume,
        }
        expander = expanders.get(type(instruction))
        return expander(instruction) if expander else instruction

    def _arg(self, arg: ins.Arg) -> ins.Arg:
        return replace(arg, variables=tuple(self._variable(arg, item) for item in arg.variables))

    def _variable(self, arg: ins.Arg, variable: ins.ArgVariable) -> ins.ArgVariable:
        value = self.scope.build_args.get(variable.name)
        if value is None and variable.default is not None:
            value = self._text(arg, variable.default)
        if value is None:
            value = self.scope.arguments.get(variable.name)
        self.arguments[variable.name] = value
        if value is not None:
            self._variables[variable.name] = value
        return ins.ArgVariable(variable.name, value)

    def _env(self, env: ins.Env) -> ins.Env:
        expanded = replace(env, pairs=self._pairs(env, env.pairs))
        self.image_environment.update(expanded.pairs)
        self._variables.update(expanded.pairs)
        return expanded

    def _label(self, label: ins.Label) -> ins.Label:
        return replace(label, pairs=self._pairs(label, label.pairs))

    def _transfer(self, item: ins.Transfer) -> ins.Transfer:
        changes: dict[str, object] = {
            "sources": self._texts(item, item.sources),
            "destination": self._text(item, item.destination),
            "chown": self._text(item, item.chown),
            "chmod": self._text(item, item.chmod),
            "exclude": self._texts(item, item.exclude),
            "files": tuple(self._file(item, file) for file in item.files),
        }
        if isinstance(item, ins.Add):
            changes["checksum"] = self._text(item, item.checksum)
        expanded: ins.Transfer = replace(item, **changes)  # type: ignore[arg-type]
        return expanded

    def _file(self, item: ins.Transfer, file: Heredoc) -> Heredoc:
        """Variables in a file written in place; its quotes and the escape directive mean nothing."""
        if not file.expand:
            return file
        content = self._expand(item, file.content, escape="\\", ignore_quotes=True).text
        return replace(file, content=content)

    def _stop_signal(self, item: ins.StopSignal) -> ins.StopSignal:
        name = self._text(item, item.signal)
        with item.source.explain("STOPSIGNAL is wrong", item.source.span(item.signal)):
            check_signal(name)
        return replace(item, signal=name)

    def _expose(self, item: ins.Expose) -> ins.Expose:
        ports: list[str] = []
        for written in item.ports:
            for word in self._expand(item, written).words:
                with item.source.explain("EXPOSE is wrong", item.source.span(written)):
                    ports += read_ports(word)
        return replace(item, ports=tuple(ports))

    def _volume(self, item: ins.Volume) -> ins.Volume:
        paths = self._texts(item, item.paths)
        if not all(paths):
            raise item.source.error(
                "VOLUME cannot be an empty path",
                why="a variable in it has no value",
                fix="give the variable a value with ARG or ENV",
                span=item.source.span(item.paths[paths.index("")]),
            )
        return replace(item, paths=paths)

    def _pairs(
        self, item: ins.Instruction, pairs: tuple[tuple[str, str], ...]
    ) -> tuple[tuple[str, str], ...]:
        """All of one instruction see the values from before it."""
        return tuple((self._text(item, key), self._text(item, value)) for key, value in pairs)

    def _texts(self, item: ins.Instruction, words: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._text(item, word) for word in words)

    def _text(self, item: ins.Instruction, word: str) -> str:
        return self._expand(item, word).text

    def _expand(
        self, item: ins.Instruction, word: str, *, escape: str = "", ignore_quotes: bool = False
    ) -> Expansion:
        escape = escape or self.scope.escape
        expansion = _expand(item.source, word, self._variables, escape, ignore_quotes=ignore_quotes)
        self.names_read |= expansion.read
        self.names_unset |= expansion.unset
        return expansion


def _platform_arguments(target: Platform, build: Platform) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        arguments[f"{prefix}PLATFORM"] = str(platform)
        arguments[f"{prefix}OS"] = platform.os
        arguments[f"{prefix}ARCH"] = platform.architecture
        arguments[f"{prefix}VARIANT"] = platform.variant
    return arguments


def _as_mapping(environment: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    if isinstance(environment, Mapping):
        return dict(environment)
    parts = (text.partition("=") for text in environment)
    return {name: value for name, _, value in parts}


def _expand(
    source: Source,
    word: str,
    environment: Mapping[str, str],
    escape: str,
    *,
    ignore_quotes: bool = False,
) -> Expansion:
    try:
        return expand(word, environment, escape=escape, ignore_quotes=ignore_quotes)
    except ExpansionError as error:
        raise source.error(
            f"{word[:60]!r} cannot be expanded",
            why=str(error),
            fix=f"correct it; a {escape} before a quote or $ makes it an ordinary character",
            span=source.span(word),
        ) from error


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
