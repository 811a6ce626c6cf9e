"""--chown: who owns what is copied.

https://docs.docker.com/reference/dockerfile/#copy---chown---chmod
"""

from pathlib import Path

from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import User

_NO_ID = 2**32 - 1


def resolve_owner(root: Path, text: str) -> User:
    """`USER[:GROUP]`, names looked up in the root's own files.

    A number without a group is the group as well, whatever /etc/passwd says. Raises
    InvalidValueError for a name the root does not know.
    """
    user, _, group = text.partition(":")
    if not is_number(user):
        owner = resolve_user(root, text)
        return User(owner.uid, owner.gid)
    if not group or is_number(group):
        return User(int(user), int(group or user))
    return User(int(user), resolve_user(root, f":{group}").gid)


def needs_root(text: str) -> bool:
    """Does it hold a name, which only the files of an image can tell the number of?"""
    return any(part and not is_number(part) for part in text.split(":"))


def is_number(text: str) -> bool:
    """Is it an ID? The kernel has 32 bits for them, and takes the last for none (chown(2))."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < _NO_ID
