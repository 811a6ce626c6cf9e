"""One stage, instruction by instruction: what ARG and ENV make of those that follow.

https://docs.docker.com/reference/dockerfile/#environment-replacement. It goes step by
step because the environment of the base image is known only when that image is.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.expand import Expansion
from amphora.build.dockerfile.heredoc import Heredoc
from amphora.build.dockerfile.mounts import Mount, read_mount
from amphora.build.dockerfile.scope import Scope, expand_at
from amphora.build.dockerfile.values import check_signal, read_ports


class StageScope:
    """The variables inside one stage, as they change from instruction to instruction.

    `image_environment` is what the image config keeps: the base image's and ENV's.
    `arguments` are the ARGs that were declared, `None` where without value.
    `names_read` and `names_unset` collect what expansion looked at.
    """

    def __init__(self, scope: Scope, base_env: Mapping[str, str] | Iterable[str]) -> None:
        """`base_env` is a mapping, or `NAME=VALUE` texts as an image config has them."""
        self.scope = scope
        self.image_environment = _as_mapping(base_env)
        self.arguments: dict[str, str | None] = {}
        self.names_read: set[str] = set()
        self.names_unset: set[str] = set()
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

    def mounts(self, run: ins.Run) -> tuple[Mount, ...]:
        """The `--mount`s of a RUN, variables replaced; raises DockerfileError."""
        found: list[Mount] = []
        for text in run.mounts:
            with run.source.explain("--mount is wrong", run.source.span(text)):
                found.append(read_mount(text, lambda word: self._text(run, word)))
        return tuple(found)

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
        expanded: ins.Transfer = replace(item, **changes)
        return expanded

    def _file(self, item: ins.Transfer, file: Heredoc) -> Heredoc:
        """Variables in a file written in place; quotes and `# escape` mean nothing there."""
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
        expansion = expand_at(
            item.source, word, self._variables, escape, ignore_quotes=ignore_quotes
        )
        self.names_read |= expansion.read
        self.names_unset |= expansion.unset
        return expansion


def _as_mapping(environment: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    if isinstance(environment, Mapping):
        return dict(environment)
    parts = (text.partition("=") for text in environment)
    return {name: value for name, _, value in parts}
