"""From the `--mount` flags of a RUN to what the command will be shown."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from msgspec import Struct

from amphora.build.attachments import (
    AgentAttachment,
    Attachment,
    BindAttachment,
    CacheAttachment,
    FileAttachment,
    MemoryAttachment,
    Shown,
    find_source,
)
from amphora.build.copying import CopyRules, copy_sources
from amphora.build.dockerfile import instructions as ast
from amphora.build.dockerfile.mounts import Mount
from amphora.build.filetree import FileTree
from amphora.build.metadata import join
from amphora.build.run_options import RunOptions
from amphora.core.errors import ContextError, InvalidValueError, NotFoundError
from amphora.oci.cache_mounts import CacheIdentity, CacheMounts

#: Where BuildKit has the script of `RUN <<EOF` that begins with `#!`, secrets and sockets.
_SCRIPTS = "/dev/pipes"
_SECRETS = "/run/secrets"
_AGENTS = "/run/buildkit/ssh_agent"
_AGENT_VARIABLE = "SSH_AUTH_SOCK"


class Files(Struct, frozen=True):
    """The files that `from=` names; `content` tells which they are, of what a source names."""

    shown: Shown
    content: Callable[[str], Awaitable[Mapping[str, str]]]
    where: str


#: What `from=` means, an empty text being the build context.
FindFiles = Callable[[str], Awaitable[Files]]


@dataclass(frozen=True, slots=True)
class Attached:
    """`environment` is as good as any other; `secret_environment` is no fact."""

    attachments: tuple[Attachment, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Attacher:
    """Makes attachments for one build; `private` is a directory that is never on a disk."""

    def __init__(self, caches: CacheMounts, private: Path, options: RunOptions) -> None:
        self._caches = caches
        self._private = private
        self._options = options

    async def attach(
        self, run: ast.Run, mounts: Sequence[Mount], directory: str, find: FindFiles
    ) -> Attached:
        """All that a RUN in a working directory is shown.

        Raises DockerfileError for a target that cannot be, NotFoundError for a secret or an
        agent that is required and was not given, ContextError for files that are not there.
        """
        attachments: list[Attachment] = []
        secrets: dict[str, str] = {}
        agents = 0
        for mount, text in zip(mounts, run.mounts, strict=True):
            with run.source.located(run.source.span(text)):
                match mount.kind:
                    case "bind":
                        made: Attachment | None = await self._bind(mount, directory, find)
                    case "cache":
                        made = await self._cache(mount, directory, find)
                    case "tmpfs":
                        target = join(directory, mount.target)
                        made = MemoryAttachment(target, mount.size, mount.read_only or False)
                    case "secret":
                        made = self._secret(mount, directory)
                        secrets |= self._secret_variable(mount)
                    case _:
                        made = self._agent(mount, directory, agents)
                        agents += made is not None
            if made is not None:
                if made.target == "/":
                    raise run.source.error(
                        "a mount cannot be the root of the image",
                        why="it would hide the image itself",
                        fix="give it another target",
                        span=run.source.span(text),
                    )
                attachments.append(made)
        _refuse_waiting_for_itself(run, attachments)
        attachments += self._script(run)
        return Attached(tuple(attachments), _agent_environment(attachments), secrets)

    async def _bind(self, mount: Mount, directory: str, find: FindFiles) -> BindAttachment:
        files = await find(mount.from_)
        return BindAttachment(
            target=join(directory, mount.target),
            source=mount.source or "/",
            shown=files.shown,
            content=await files.content(mount.source or "/"),
            read_only=mount.read_only is not False,
            where=files.where,
        )

    async def _cache(self, mount: Mount, directory: str, find: FindFiles) -> CacheAttachment:
        target = join(directory, mount.target)
        files = await find(mount.from_) if mount.from_ else None
        source = mount.source or "/"
        namespace = self._options.cache_namespace
        identity = CacheIdentity(
            id=f"{namespace}/{mount.id or target}" if namespace else mount.id or target,
            mode=0o755 if mount.mode is None else mount.mode,
            uid=mount.uid or 0,
            gid=mount.gid or 0,
            base=str(dict(await files.content(source))) if files else "",
            source=mount.source,
        )

        def fill(place: Path) -> None:
            if files is not None:
                with files.shown() as root:
                    begins = find_source(root, source, files.where)
                    if not begins.is_dir():
                        raise ContextError(
                            f"a cache cannot begin with {source!r}",
                            why="it is a file, and a cache is a directory",
                            next_command="let source= name the directory it is in",
                        )
                    copy_sources(FileTree(begins).find(""), place, "/", CopyRules())

        return CacheAttachment(
            target, identity, mount.sharing, self._caches, fill, mount.read_only or False
        )

    def _secret(self, mount: Mount, directory: str) -> FileAttachment | None:
        name = _secret_name(mount)
        content = self._options.secrets.get(name)
        if content is None:
            if mount.required:
                raise _not_given("secret", name, f"--secret id={name},src=FILE")
            return None
        if mount.env and not mount.target:
            return None
        target = mount.target or f"{_SECRETS}/{PurePosixPath(name).name}"
        return FileAttachment(
            target=join(directory, target),
            content=content,
            private=self._private,
            known={"secret": name},
            mode=0o400 if mount.mode is None else mount.mode,
            uid=mount.uid or 0,
            gid=mount.gid or 0,
        )

    def _secret_variable(self, mount: Mount) -> dict[str, str]:
        content = self._options.secrets.get(_secret_name(mount))
        if not mount.env or content is None:
            return {}
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise InvalidValueError(
                f"the secret {_secret_name(mount)!r} cannot be a variable",
                why="its content is not UTF-8 text, or holds a NUL",
                next_command="mount it as a file: leave env= out",
            )
        return {mount.env: text}

    def _agent(self, mount: Mount, directory: str, number: int) -> AgentAttachment | None:
        name = mount.id or "default"
        paths = self._options.agents.get(name)
        if paths is None:
            if mount.required:
                raise _not_given("SSH agent", name, f"--ssh {name}")
            return None
        return AgentAttachment(
            target=join(directory, mount.target or f"{_AGENTS}.{number}"),
            id=name,
            paths=paths,
            private=self._private,
            mode=0o600 if mount.mode is None else mount.mode,
            uid=mount.uid or 0,
            gid=mount.gid or 0,
        )

    def _script(self, run: ast.Run) -> list[Attachment]:
        script = run.inline_file
        if script is None:
            return []
        content = script.body.encode()
        known = {"script": script.body}
        return [FileAttachment(script_path(run), content, self._private, known, mode=0o755)]


def script_path(run: ast.Run) -> str:
    """Where the script of a RUN that is one is mounted."""
    name = run.inline_file.name if run.inline_file else ""
    return f"{_SCRIPTS}/{name.replace('/', '_')}"


def _secret_name(mount: Mount) -> str:
    return mount.id or mount.source or PurePosixPath(mount.target).name


def _agent_environment(attachments: Sequence[Attachment]) -> dict[str, str]:
    """As with BuildKit, the first agent is the one that programs find by themselves."""
    first = next((item for item in attachments if isinstance(item, AgentAttachment)), None)
    return {_AGENT_VARIABLE: first.target} if first else {}


def _refuse_waiting_for_itself(run: ast.Run, attachments: Sequence[Attachment]) -> None:
    caches = [item for item in attachments if isinstance(item, CacheAttachment)]
    uses = Counter(cache.turn for cache in caches)
    if any(uses[cache.turn] > 1 and cache.sharing == "locked" for cache in caches):
        raise run.source.error(
            "a RUN mounts the same cache twice, and wants it to itself",
            why="sharing=locked waits until nobody else has it mounted",
            fix="mount it once, or give one of the two another id",
        )


def _not_given(what: str, name: str, flag: str) -> NotFoundError:
    return NotFoundError(
        f"the {what} {name!r} is required and was not given",
        why=f"this RUN says required, and no flag of the command line names {name!r}",
        next_command=f"amphora build {flag} …",
    )
