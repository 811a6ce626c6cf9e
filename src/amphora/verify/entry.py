"""What the image starts, found in its tree without running anything: program and interpreters."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.oci.config import DEFAULT_PATH, ContainerConfig
from amphora.verify.labels import describe
from amphora.verify.tree import Place, Tree

#: How many scripts may have each other as interpreters; the kernel's own limit.
_MAX_SCRIPTS = 5


class Interpreter(Struct, frozen=True):
    """What a `#!` line asks for: `path`, and the name that env(1) is to look for, if any."""

    path: str
    by_env: str = ""


def interpreter_of(start: bytes) -> Interpreter | None:
    """Read a script's first bytes; None if they are no script's."""
    if not start.startswith(b"#!"):
        return None
    line = start[2:].partition(b"\n")[0].decode("utf-8", "surrogateescape")
    words = line.strip(" \t").split()
    path = line.strip(" \t").partition(" ")[0].partition("\t")[0]
    if not path.endswith("/env"):
        return Interpreter(path)
    names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    # With -S, what follows may be quoted: that is for env to read.
    return Interpreter(path, names[0] if names and '"' not in names[0] else "")


def environment_of(config: ContainerConfig) -> dict[str, str]:
    """The environment that a container of the image starts with."""
    return dict(entry.partition("=")[::2] for entry in config.env or ())


def look_up(
    tree: Tree, name: str, environment: Mapping[str, str], directory: str = "/"
) -> Place | None:
    """A program found as execvp(3) finds it; None if there is none, or only a directory."""
    if "/" in name:
        candidates = [name if name.startswith("/") else f"{directory}/{name}"]
    else:
        search = environment.get("PATH", DEFAULT_PATH)
        candidates = [f"{place}/{name}" for place in search.split(":")]
    found = (tree.find(candidate) for candidate in candidates)
    return next((place for place in found if place and place.node.below is None), None)


def judge_entry(
    tree: Tree, config: ContainerConfig, platform: Platform
) -> Iterator[tuple[Place | None, str, str]]:
    """Where, under which name and why the image's own command cannot start; one at most."""
    command: Sequence[str] = (*(config.entrypoint or ()), *(config.cmd or ()))
    if not command:
        return
    environment = environment_of(config)
    name = command[0]
    for _ in range(_MAX_SCRIPTS):
        place = look_up(tree, name, environment, config.working_dir or "/")
        item = place.node.item if place else None
        if place is None or item is None:
            yield None, name, "there is no such file, and the image starts it"
            return
        if not item.is_executable:
            yield place, name, "it is not executable, and the image starts it"
            return
        if item.binary is not None:
            if item.binary.architecture != platform.architecture:
                why = f"the image starts it, and it is for {describe(item.binary)}"
                yield place, name, f"{why}, not for {platform}"
            return
        interpreter = interpreter_of(item.start)
        if interpreter is None:
            yield place, name, "the image starts it, and it is neither an ELF program nor a script"
            return
        name = interpreter.by_env or interpreter.path
        if interpreter.path.endswith("\r"):
            yield place, name, "its #! line ends as on Windows: the kernel looks for a name with CR"
            return
    yield None, command[0], "its interpreters are scripts themselves, without end"
