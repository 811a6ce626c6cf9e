"""Who a container runs as: `USER name:group` looked up in the container's own files."""

from collections.abc import Iterator
from pathlib import Path

from amphora.core.errors import InvalidValueError
from amphora.runtime.spec import User
from amphora.system.roots import read_in_root


def resolve_user(root: Path, text: str) -> User:
    """Docker's rule: names come from the root's /etc/passwd and /etc/group, numbers stand.

    An empty text means root. Raises InvalidValueError for a name the root does not know.
    """
    user_text, colon, group_text = text.partition(":")
    user_text = user_text or "0"
    entry = _find(root, "etc/passwd", user_text)
    if entry:
        uid, gid, name = int(entry[2]), int(entry[3]), entry[0]
    else:
        uid, gid, name = _number("user", user_text), 0, user_text
    if colon:
        group = _find(root, "etc/group", group_text)
        return User(uid, int(group[2]) if group else _number("group", group_text))
    return User(uid, gid, _supplementary(root, name))


def _supplementary(root: Path, name: str) -> tuple[int, ...]:
    groups = _entries(root, "etc/group")
    return tuple(int(fields[2]) for fields in groups if name in fields[3].split(","))


def _find(root: Path, file: str, wanted: str) -> list[str] | None:
    """The entry whose name or, failing that, whose number is the one wanted."""
    entries = list(_entries(root, file))
    by_name = (fields for fields in entries if fields[0] == wanted)
    by_number = (fields for fields in entries if fields[2] == wanted)
    return next(by_name, None) or next(by_number, None)


def _entries(root: Path, file: str) -> Iterator[list[str]]:
    """The well-formed lines of a passwd or group file; none if the root has no such file."""
    content = read_in_root(root, file) or b""
    for line in content.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdigit() and (len(fields) == 4 or fields[3].isdigit()):
            yield fields


def _number(kind: str, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 2**31:
        return int(text)
    file = {"user": "/etc/passwd", "group": "/etc/group"}[kind]
    raise InvalidValueError(
        f"the image has no {kind} {text!r}",
        why=f"its {file} does not name it",
        next_command=f"add it with RUN {kind}add {text}, or give a number",
    )
