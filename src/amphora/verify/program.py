"""What a container really starts: the program behind a command, and the CPU it is for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import VerificationError
from amphora.oci.config import DEFAULT_PATH
from amphora.system.elf import parse_header
from amphora.system.roots import read_in_root

#: How many scripts may have each other as interpreters; the kernel's own limit.
_MAX_SCRIPTS = 5
_HEADER_SIZE = 256


class Program(Struct, frozen=True):
    """`path` inside the image; `architecture` None for an ELF file of a CPU we do not know."""

    path: str
    architecture: str | None


def find_program(
    root: Path, arguments: Sequence[str], environment: Mapping[str, str], directory: str
) -> Program:
    """Follow PATH and `#!` lines to the ELF file that will be executed.

    Raises VerificationError when there is no such file.
    """
    name = arguments[0]
    for _ in range(_MAX_SCRIPTS):
        path, start = _look_up(root, name, environment, directory)
        header = parse_header(start)
        if header is not None:
            return Program(path, header.architecture)
        if not start.startswith(b"#!"):
            raise _not_runnable(path, "it is neither an ELF program nor a script")
        words = start[2:].split(b"\n", 1)[0].split()
        if not words:
            raise _not_runnable(path, "its #! line names no interpreter")
        name = words[0].decode(errors="replace")
    raise _not_runnable(arguments[0], "its interpreters are scripts themselves, without end")


def _look_up(
    root: Path, name: str, environment: Mapping[str, str], directory: str
) -> tuple[str, bytes]:
    """The path and first bytes of a program, found as execvp(3) finds it."""
    if "/" in name:
        places = [name if name.startswith("/") else f"{directory}/{name}"]
    else:
        search = environment.get("PATH", DEFAULT_PATH)
        places = [f"{place}/{name}" for place in search.split(":")]
    for place in places:
        start = read_in_root(root, place, _HEADER_SIZE)
        if start is not None:
            return place, start
    raise _not_runnable(name, "the image has no such file")


def _not_runnable(name: str, why: str) -> VerificationError:
    return VerificationError(
        f"{name} cannot be run",
        why=why,
        next_command="correct ENTRYPOINT or CMD, or give another command with --cmd",
    )
