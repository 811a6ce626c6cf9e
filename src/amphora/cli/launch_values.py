"""What the flags of `amphora run` say, as docker spells it, into values.

https://docs.docker.com/reference/cli/docker/container/run/. Each reader raises
InvalidValueError.
"""

import csv
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from amphora.core.errors import InvalidValueError
from amphora.launch.request import Volume
from amphora.runtime.networks import Port
from amphora.runtime.spec import ALL_CAPABILITIES, CAPABILITIES, Bind, Memory
from amphora.system.cgroup_limits import Limits

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")

#: A file of variables is written by people.
_MOST_VARIABLES = 1 << 20

#: More of anything than there is.
_MOST = 1 << 60

_SYNONYMS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def read_name(flag: str, text: str) -> str:
    """A name that a host may have as well."""
    if not _NAME.fullmatch(text):
        raise wrong(
            flag, text, "it has letters, digits and _.-, 63 at most", f"{flag} my-container"
        )
    return text


def check_volume_name(flag: str, text: str, name: str) -> str:
    """The name, if it is one that a directory may have."""
    if not _NAME.fullmatch(name):
        why = f"{name!r} is no name: letters, digits and _.-, 63 at most; a path has / in it"
        raise wrong(flag, text, why, f"{flag} data:/data")
    return name


def read_volume(text: str) -> Bind | Volume | None:
    """`PATH|NAME:CONTAINER[:ro|rw]`; None for a path alone, which keeps nothing here."""
    source, colon, rest = text.partition(":")
    if not colon:
        _check_target("--volume", text, text)
        return None
    target, _, access = rest.partition(":")
    if access not in {"", "ro", "rw"}:
        raise wrong("--volume", text, f"{access!r} is neither ro nor rw", "-v ./data:/data:ro")
    if "/" not in source and source not in {".", ".."}:
        return _volume("--volume", text, source, target, read_only=access == "ro")
    return _bind("--volume", text, source, target, read_only=access == "ro")


def read_mount(text: str) -> Bind | Memory | Volume:
    """`type=bind|volume,source=…,target=…[,readonly]`, `type=tmpfs,target=…[,tmpfs-size=…]`."""
    example = "--mount type=bind,source=./data,target=/data,readonly"
    words = next(csv.reader([text]), [])
    pairs = (word.partition("=") for word in words)
    fields = {_SYNONYMS.get(name, name): value for name, _, value in pairs}
    kind = fields.pop("type", "")
    known = {
        "bind": {"source", "target", "readonly"},
        "volume": {"source", "target", "readonly"},
        "tmpfs": {"target", "readonly", "tmpfs-size", "tmpfs-mode"},
    }
    if kind not in known:
        raise wrong("--mount", text, "its type is none of bind, volume and tmpfs", example)
    strange = next(iter(fields.keys() - known[kind]), None)
    if strange is not None:
        raise wrong("--mount", text, f"a {kind} mount has no {strange!r}", example)
    read_only = fields.get("readonly", "false") in {"", "true", "1"}
    if kind != "tmpfs":
        source, target = fields.get("source", ""), fields.get("target", "")
        if not source:
            raise wrong("--mount", text, "it says no source", example)
        read = _bind if kind == "bind" else _volume
        return read("--mount", text, source, target, read_only=read_only)
    options = {"size": fields.get("tmpfs-size", ""), "mode": fields.get("tmpfs-mode", "")}
    return _memory("--mount", text, fields.get("target", ""), options, read_only=read_only)


def read_tmpfs(text: str) -> Memory:
    """`PATH[:size=…,mode=…,ro]`."""
    target, _, words = text.partition(":")
    options = dict(word.partition("=")[::2] for word in words.split(",") if word)
    read_only = "ro" in options
    for switch in ("ro", "rw"):
        options.pop(switch, None)
    strange = next(iter(options.keys() - {"size", "mode"}), None)
    if strange is not None:
        raise wrong("--tmpfs", text, f"it has no {strange!r}", "--tmpfs /tmp:size=64m,mode=1777")
    return _memory("--tmpfs", text, target, options, read_only=read_only)


def read_port(text: str) -> Port:
    """`[ADDRESS:]HOST:CONTAINER[/udp]`."""
    example = "-p 127.0.0.1:8080:80"
    places, _, protocol = text.partition("/")
    rest, _, inside = places.rpartition(":")
    address, _, outside = rest.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not rest:
        raise wrong("--publish", text, "it does not say which port of the host", example)
    if not (_is_port(inside) and _is_port(outside)):
        raise wrong("--publish", text, "ports are numbers from 1 to 65535", example)
    if protocol not in {"", "tcp", "udp"}:
        raise wrong("--publish", text, f"{protocol!r} is neither tcp nor udp", example)
    try:
        address = str(ipaddress.ip_address(address)) if address else ""
    except ValueError:
        raise wrong("--publish", text, f"{address!r} is no address", example) from None
    return Port(int(outside), int(inside), "udp" if protocol == "udp" else "tcp", address)


def read_capabilities(added: Iterable[str], dropped: Iterable[str]) -> Sequence[str]:
    """Docker's fourteen, or all, or none, and what is added and dropped."""
    more = {_capability("--cap-add", text) for text in added}
    less = {_capability("--cap-drop", text) for text in dropped}
    chosen = set(CAPABILITIES) if "CAP_ALL" not in less else set()
    if "CAP_ALL" in more:
        chosen = set(ALL_CAPABILITIES)
    chosen = (chosen | more) - less if "CAP_ALL" not in less else chosen | more
    return [name for name in ALL_CAPABILITIES if name in chosen]


def read_together(memory: str | None, cpus: float | None, processes: int | None) -> Limits:
    """The flags of what all of a container may take; with docker, 0 and -1 are no limit."""
    size = read_size("--memory", memory) if memory else 0
    for flag, text, number in (("--memory", memory, size), ("--cpus", cpus, cpus or 0)):
        # Also neither inf nor nan.
        if not 0 <= number < _MOST:
            raise wrong(flag, f"{text}", "no machine has so much", f"{flag} 2")
    return Limits(
        memory=size or None,
        cpus=cpus,
        processes=processes if processes and processes > 0 else None,
    )


def read_environment(
    files: Iterable[str], texts: Iterable[str], environment: Mapping[str, str]
) -> dict[str, str]:
    """`NAME=VALUE`, or `NAME` for our own value of it; the flags win over the files."""
    lines = [line for file in files for line in _lines(file)]
    pairs = (text.partition("=") for text in (*lines, *texts))
    chosen: dict[str, str] = {}
    for name, equals, value in pairs:
        if not name:
            raise wrong("--env", f"={value}", "a variable has a name", "-e NAME=VALUE")
        if equals:
            chosen[name] = value
        elif name in environment:
            chosen[name] = environment[name]
    return chosen


def read_size(flag: str, text: str) -> int:
    """Bytes, or with k, m or g."""
    from amphora.build.dockerfile import mounts

    try:
        return mounts.read_size(text)
    except ValueError as error:
        raise wrong(flag, text, str(error), f"{flag} 512m") from error


def wrong(flag: str, text: str, why: str, example: str) -> InvalidValueError:
    return InvalidValueError(f"{flag} cannot be {text!r}", why=why, next_command=f"as in {example}")


def _lines(file: str) -> Iterator[str]:
    try:
        with open(file, "rb") as opened:
            content = opened.read(_MOST_VARIABLES + 1)
        if len(content) > _MOST_VARIABLES:
            raise wrong("--env-file", file, "it is larger than a mebibyte", "--env-file .env")
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise wrong("--env-file", file, str(why).lower(), "--env-file .env") from error
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.lstrip()


def _bind(flag: str, text: str, source: str, target: str, *, read_only: bool) -> Bind:
    _check_target(flag, text, target)
    path = Path(source).absolute()
    if not path.exists():
        raise InvalidValueError(
            f"{flag} cannot be {text!r}",
            why=f"there is no {path}",
            next_command=f"mkdir -p {path}",
        )
    return Bind(path, target, read_only=read_only)


def _volume(flag: str, text: str, name: str, target: str, *, read_only: bool) -> Volume:
    _check_target(flag, text, target)
    return Volume(check_volume_name(flag, text, name), target, read_only=read_only)


def _memory(
    flag: str, text: str, target: str, options: Mapping[str, str], *, read_only: bool
) -> Memory:
    _check_target(flag, text, target)
    size, mode = options.get("size", ""), options.get("mode", "") or "1777"
    if not re.fullmatch(r"0*[0-7]{1,4}", mode):
        raise wrong(flag, text, "its mode is not octal", "--tmpfs /tmp:mode=1777")
    return Memory(target, read_size(flag, size) if size else None, read_only, int(mode, 8))


def _check_target(flag: str, text: str, target: str) -> None:
    if not target.startswith("/") or not target.strip("/") or "\0" in target:
        raise wrong(
            flag, text, "the place in the container is an absolute path below /", "-v ./data:/data"
        )


def _capability(flag: str, text: str) -> str:
    name = f"CAP_{text.upper().removeprefix('CAP_')}"
    if name not in {*ALL_CAPABILITIES, "CAP_ALL"}:
        raise wrong(flag, text, "Linux has no such capability", f"{flag} NET_ADMIN")
    return name


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536
