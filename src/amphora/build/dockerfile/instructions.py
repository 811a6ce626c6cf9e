"""The instructions of a Dockerfile, one value for each.

Two instructions are equal if they mean the same, wherever they stand. Text fields
still hold their quotes and variables after parsing; `evaluate` expands them.
"""

from typing import ClassVar, TypeAlias

from msgspec import Struct

from amphora.build.dockerfile.heredoc import Heredoc, opened_heredoc
from amphora.build.dockerfile.source import Source
from amphora.oci.config import Healthcheck as HealthcheckConfig

#: Text is for the shell, a tuple is the exec form.
CommandLine: TypeAlias = str | tuple[str, ...]


class Instruction(Struct, frozen=True, kw_only=True, eq=False):
    """What all have in common: `source`, where they stand."""

    keyword: ClassVar[str]

    source: Source

    @property
    def _meaning(self) -> tuple[object, ...]:
        """Neither where it stands nor in which of two forms it is written."""
        names = [name for name in self.__struct_fields__ if name not in {"source", "legacy"}]
        return tuple(getattr(self, name) for name in names)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Instruction)
            and type(other) is type(self)
            and other._meaning == self._meaning
        )

    def __hash__(self) -> int:
        return hash(self._meaning)


class From(Instruction, frozen=True, kw_only=True):
    """FROM [--platform=PLATFORM] IMAGE [AS NAME]; the name is in lower case, or empty."""

    keyword: ClassVar[str] = "FROM"

    image: str
    platform: str = ""
    name: str = ""


class ArgVariable(Struct, frozen=True):
    """One variable of an ARG; no default is not the same as an empty one."""

    name: str
    default: str | None = None


class Arg(Instruction, frozen=True, kw_only=True):
    """ARG NAME[=DEFAULT]…"""

    keyword: ClassVar[str] = "ARG"

    variables: tuple[ArgVariable, ...]


class Env(Instruction, frozen=True, kw_only=True):
    """ENV KEY=VALUE…; `legacy` if written `ENV KEY VALUE`."""

    keyword: ClassVar[str] = "ENV"

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


class Label(Instruction, frozen=True, kw_only=True):
    """LABEL KEY=VALUE…; `legacy` if written `LABEL KEY VALUE`."""

    keyword: ClassVar[str] = "LABEL"

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = False


class Run(Instruction, frozen=True, kw_only=True):
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


class Transfer(Instruction, frozen=True, kw_only=True):
    """What COPY and ADD have in common; `files` are the sources written in place."""

    sources: tuple[str, ...]
    destination: str
    files: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


class Copy(Transfer, frozen=True, kw_only=True):
    """COPY [--from=STAGE|IMAGE] …"""

    keyword: ClassVar[str] = "COPY"

    from_: str = ""
    parents: bool = False


class Add(Transfer, frozen=True, kw_only=True):
    """ADD; `unpack` is None where the kind of the source decides."""

    keyword: ClassVar[str] = "ADD"

    keep_git_dir: bool = False
    checksum: str = ""
    unpack: bool | None = None


class Workdir(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "WORKDIR"

    path: str


class User(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "USER"

    user: str


class Expose(Instruction, frozen=True, kw_only=True):
    """EXPOSE; once evaluated, each port is `NUMBER/PROTOCOL`."""

    keyword: ClassVar[str] = "EXPOSE"

    ports: tuple[str, ...]


class Volume(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "VOLUME"

    paths: tuple[str, ...]


class Cmd(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "CMD"

    command: CommandLine


class Entrypoint(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "ENTRYPOINT"

    command: CommandLine


class Healthcheck(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "HEALTHCHECK"

    check: HealthcheckConfig


class StopSignal(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "STOPSIGNAL"

    signal: str


class Shell(Instruction, frozen=True, kw_only=True):
    keyword: ClassVar[str] = "SHELL"

    shell: tuple[str, ...]


class OnBuild(Instruction, frozen=True, kw_only=True):
    """ONBUILD; `expression` is what an image config keeps, `trigger` is the same, parsed."""

    keyword: ClassVar[str] = "ONBUILD"

    expression: str
    trigger: Instruction


class Maintainer(Instruction, frozen=True, kw_only=True):
    """MAINTAINER, deprecated: the author of the image config."""

    keyword: ClassVar[str] = "MAINTAINER"

    name: str
