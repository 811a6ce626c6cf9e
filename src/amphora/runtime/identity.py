"""Who a container runs as: `USER name:group` looked up in the container's own files."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import InvalidValueError
from amphora.runtime.spec import User
from amphora.system.roots import read_in_root


class _File(Struct, frozen=True):
    """How a line of it looks: so many fields, numbers from the third to before `ids_until`."""

    path: str
    fields: int
    ids_until: int


_PASSWD = _File("etc/passwd", fields=7, ids_until=4)
_GROUP = _File("etc/group", fields=4, ids_until=3)


def resolve_user(root: Path, text: str) -> User:
    """Docker's rule: names come from the root's /etc/passwd and /etc/group, numbers stand.

    An empty text means root. Raises InvalidValueError for a name the root does not know.
    """
    user_text, _, group_text = text.partition(":")
    entry = _find(root, _PASSWD, user_text or "0")
    if entry:
        uid, gid, home = int(entry[2]), int(entry[3]), entry[5] or "/"
    else:
        uid, gid, home = _number("user", user_text or "0"), 0, "/"
    if group_text:
        group = _find(root, _GROUP, group_text)
        gid = int(group[2]) if group else _number("group", group_text)
        return User(uid, gid, home=home)
    return User(uid, gid, _supplementary(root, entry[0]) if entry else (), home)


def _supplementary(root: Path, name: str) -> tuple[int, ...]:
    groups = _entries(root, _GROUP)
    return tuple(int(fields[2]) for fields in groups if name in fields[3].split(","))


def _find(root: Path, file: _File, wanted: str) -> list[str] | None:
    """The entry whose name or, failing that, whose number is the one wanted."""
    entries = list(_entries(root, file))
    by_name = (fields for fields in entries if fields[0] == wanted)
    by_number = (fields for fields in entries if fields[2] == wanted)
    return next(by_name, None) or next(by_number, None)


def _entries(root: Path, file: _File) -> Iterator[list[str]]:
    """The well-formed lines of a passwd or group file; none if the root has no such file."""
    content = read_in_root(root, file.path) or b""
    for line in content.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) == file.fields and all(map(_is_id, fields[2 : file.ids_until])):
            yield fields


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**31


def _number(kind: str, text: str) -> int:
    if _is_id(text):
        return int(text)
    file = {"user": "/etc/passwd", "group": "/etc/group"}[kind]
    raise InvalidValueError(
        f"the image has no {kind} {text!r}",
        why=f"its {file} does not name it",
        next_command=f"add it with RUN {kind}add {text}, or give a number",
    )
