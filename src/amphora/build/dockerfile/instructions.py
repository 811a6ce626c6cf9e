"""The instructions of a Dockerfile, one value for each.

Two instructions are equal if they mean the same, wherever they stand. Text fields
still hold their quotes and variables after parsing; `evaluate` expands them.
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from amphora.build.dockerfile.heredoc import Heredoc, opened_heredoc
from amphora.build.dockerfile.source import Source
from amphora.oci.config import Healthcheck as HealthcheckConfig

#: Text is for the shell, a tuple is the exec form.
CommandLine: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What all have in common: `source`, where they stand."""

    keyword: ClassVar[str]

    source: Source = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    """FROM [--platform=PLATFORM] IMAGE [AS NAME]; the name is in lower case, or empty."""

    keyword: ClassVar[str] = "FROM"

    image: str
    platform: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ArgVariable:
    """One variable of an ARG; no default is not the same as an empty one."""

    name: str
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """ARG NAME[=DEFAULT]…"""

    keyword: ClassVar[str] = "ARG"

    variables: tuple[ArgVariable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    """ENV KEY=VALUE…; `legacy` if written `ENV KEY VALUE`."""

    keyword: ClassVar[str] = "ENV"

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    """LABEL KEY=VALUE…; `legacy` if written `LABEL KEY VALUE`."""

    keyword: ClassVar[str] = "LABEL"

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    """RUN; its flags as written, empty where not given."""

    keyword: ClassVar[str] = "RUN"

    command: CommandLine
    mounts: tuple[str, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def is_shell(self) -> bool:
        return isinstance(self.command, str)

    @property
    def inline_file(self) -> Heredoc | None:
        """The heredoc of `RUN <<EOF` that begins with `#!`: a program to run, not shell text."""
        only = self._only_heredoc()
        return only if only is not None and only.body.startswith("#!") else None

    @property
    def shell_text(self) -> str:
        """What the shell is given: the text of `RUN <<EOF`, or the command and its heredocs."""
        if not isinstance(self.command, str):
            raise TypeError("the exec form has no shell text")
        only = self._only_heredoc()
        if only is not None:
            return only.body
        documents = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in self.heredocs)
        return self.command + documents

    def _only_heredoc(self) -> Heredoc | None:
        """The first heredoc, if opening it is the whole command."""
        if not self.heredocs or not isinstance(self.command, str):
            return None
        return self.heredocs[0] if opened_heredoc(self.command) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Instruction):
    """What COPY and ADD have in common; `files` are the sources written in place."""

    sources: tuple[str, ...]
    destination: str
    files: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Transfer):
    """COPY [--from=STAGE|IMAGE] …"""

    keyword: ClassVar[str] = "COPY"

    from_: str = ""
    parents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Transfer):
    """ADD; `unpack` is None where the kind of the source decides."""

    keyword: ClassVar[str] = "ADD"

    keep_git_dir: bool = False
    checksum: str = ""
    unpack: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    keyword: ClassVar[str] = "WORKDIR"

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    keyword: ClassVar[str] = "USER"

    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    """EXPOSE; once evaluated, each port is `NUMBER/PROTOCOL`."""

    keyword: ClassVar[str] = "EXPOSE"

    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    keyword: ClassVar[str] = "VOLUME"

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    keyword: ClassVar[str] = "CMD"

    command: CommandLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    keyword: ClassVar[str] = "ENTRYPOINT"

    command: CommandLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    keyword: ClassVar[str] = "HEALTHCHECK"

    check: HealthcheckConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    keyword: ClassVar[str] = "STOPSIGNAL"

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    keyword: ClassVar[str] = "SHELL"

    shell: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild(Instruction):
    """ONBUILD; `expression` is what an image config keeps, `trigger` is the same, parsed."""

    keyword: ClassVar[str] = "ONBUILD"

    expression: str
    trigger: Instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    """MAINTAINER, deprecated: the author of the image config."""

    keyword: ClassVar[str] = "MAINTAINER"

    name: str
