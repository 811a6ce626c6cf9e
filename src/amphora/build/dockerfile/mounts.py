"""What `RUN --mount=…` asks for: the fields of one mount, read and checked.

https://docs.docker.com/reference/dockerfile/#run---mount. Each reader raises ValueError
with the reason.
"""

import csv
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

#: BuildKit's names for one and the same field.
_SYNONYMS = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
#: Fields that may stand without a value.
_SWITCHES = frozenset({"readonly", "readwrite", "required"})
_SHARING = ("shared", "private", "locked")
_ACCESS = frozenset({"readonly", "readwrite"})
_FILE = frozenset({"mode", "uid", "gid"})
#: Fields by type; `type` itself is everybody's.
_FIELDS: Mapping[str, frozenset[str]] = {
    "bind": _ACCESS | {"from", "source", "target"},
    "cache": _ACCESS | _FILE | {"id", "from", "source", "target", "sharing"},
    "tmpfs": _ACCESS | {"target", "size"},
    "secret": _FILE | {"id", "source", "target", "env", "required"},
    "ssh": _FILE | {"id", "target", "required"},
}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_POWERS = {unit: 1024**power for power, unit in enumerate(("", "k", "m", "g", "t", "p"))}
_MOST_ID = 2**32 - 2


class Mount(Struct, frozen=True):
    """One mount as written: `None`, or an empty text, where nothing was said.

    `from_` is not expanded: which stages there are to build must be known before any is.
    """

    kind: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    id: str = ""
    sharing: str = "shared"
    env: str = ""
    read_only: bool | None = None
    required: bool = False
    size: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def read_mount(text: str, expand: Callable[[str], str] = str) -> Mount:
    """The mount that the value of a `--mount` describes; `expand` replaces variables."""
    fields = _split(text)
    if "$" in fields.get("from", ""):
        raise ValueError(
            "from does not take variables; give the image a stage of its own, "
            "`FROM $IMAGE AS source`, and name that"
        )
    values = {name: value if name == "from" else expand(value) for name, value in fields.items()}
    kind = values.pop("type", "bind").lower()
    if kind not in _FIELDS:
        raise ValueError(f"there is no type {kind[:40]!r}: it is one of {', '.join(_FIELDS)}")
    stranger = next((name for name in values if name not in _FIELDS[kind]), None)
    if stranger is not None:
        raise ValueError(f"{stranger} is not for a mount of type {kind}")
    mount = Mount(kind)
    for name, value in values.items():
        mount = replace(mount, **_read_field(name, value))
    _check_whole(mount)
    return mount


def read_size(text: str) -> int:
    """Bytes of `64m`, `1.5GiB`, `4096`: units are powers of 1024, as docker reads memory."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a size such as 64m or 1g")
    return int(float(match[1]) * _POWERS[match[2].lower()])


def _split(text: str) -> dict[str, str]:
    """The fields by their first names; comma-separated values, so quotes hide a comma."""
    fields: dict[str, str] = {}
    try:
        parts = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error
    for part in parts:
        written, equals, value = part.partition("=")
        name = _SYNONYMS.get(written.strip().lower(), written.strip().lower())
        known = {"type", *(field for names in _FIELDS.values() for field in names)}
        if name not in known:
            close = get_close_matches(name, known | _SYNONYMS.keys(), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"there is no field {written[:40]!r}{hint}")
        if not equals and name not in _SWITCHES:
            raise ValueError(f"{written} must be written {written}=VALUE")
        fields[name] = value if equals else "true"
    return fields


def _read_field(name: str, value: str) -> dict[str, Any]:
    match name:
        case "readonly" | "readwrite":
            return {"read_only": _read_switch(name, value) == (name == "readonly")}
        case "required":
            return {"required": _read_switch(name, value)}
        case "size":
            return {"size": read_size(value)}
        case "mode":
            return {"mode": _read_mode(value)}
        case "uid" | "gid":
            return {name: _read_id(name, value)}
        case "sharing":
            if value not in _SHARING:
                raise ValueError(f"sharing is one of {', '.join(_SHARING)}, not {value[:40]!r}")
    return {"from_" if name == "from" else name: value}


def _read_switch(name: str, value: str) -> bool:
    """Go's strconv.ParseBool, which BuildKit reads it with."""
    if value in {"1", "t", "T", "true", "TRUE", "True"}:
        return True
    if value in {"0", "f", "F", "false", "FALSE", "False"}:
        return False
    raise ValueError(f"{name} is true or false, not {value[:40]!r}")


def _read_mode(value: str) -> int:
    if not re.fullmatch(r"[0-7]{1,5}", value) or int(value, 8) > 0o7777:
        raise ValueError(f"mode is octal, such as 0400, not {value[:40]!r}")
    return int(value, 8)


def _read_id(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > _MOST_ID:
        raise ValueError(f"{name} is a number, not {value[:40]!r}")
    return int(value)


def _check_whole(mount: Mount) -> None:
    """What only all fields together tell."""
    if mount.kind in {"bind", "cache", "tmpfs"} and not mount.target:
        raise ValueError(f"a mount of type {mount.kind} needs a target")
    if mount.kind == "secret":
        if not (mount.id or mount.source or mount.target):
            raise ValueError("a secret needs an id or a target")
        if mount.id and mount.source:
            raise ValueError("a secret has an id or a source, which means the same, not both")
    if "\0" in mount.target + mount.source:
        raise ValueError("a path cannot hold a NUL")
