"""--chown: who owns what is copied.

https://docs.docker.com/reference/dockerfile/#copy---chown---chmod
"""

from pathlib import Path

from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import User


def resolve_owner(root: Path, text: str) -> User:
    """`USER[:GROUP]`, names looked up in the root's own files.

    A number without a group is the group as well, whatever /etc/passwd says. Raises
    InvalidValueError for a name the root does not know.
    """
    if is_number(text):
        return User(int(text), int(text))
    owner = resolve_user(root, text)
    return User(owner.uid, owner.gid)


def needs_root(text: str) -> bool:
    """Does it hold a name, which only the files of an image can tell the number of?"""
    return any(part and not is_number(part) for part in text.split(":"))


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
