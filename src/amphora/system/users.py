"""Which user and group IDs a process may map into a user namespace of its own.

https://man7.org/linux/man-pages/man7/user_namespaces.7.html, subuid(5), subgid(5)
"""

import os
import pwd
import re
from pathlib import Path

from msgspec import Struct

from amphora.core.errors import NamespaceError

#: What one user gets from useradd(8), and what images use: IDs 0 to 65535.
USUAL_COUNT = 65536

#: A map of every ID there is looks like the initial namespace to crun, which then
#: tries what only that one may do (mknod); one ID fewer tells them apart.
_ALL_IDS = 2**32 - 1


#: A line of /etc/subuid or /etc/subgid; others are no business of ours.
_ENTRY = re.compile(r"([^:]+):([0-9]+):([1-9][0-9]*)")


class IdRange(Struct, frozen=True):
    """`count` IDs starting at `inside` stand for those starting at `outside`."""

    inside: int
    outside: int
    count: int

    def __str__(self) -> str:
        return f"{self.inside} {self.outside} {self.count}"


def root_ranges(kind: str) -> tuple[IdRange, ...]:
    """The identity map for root: every ID it has, `kind` being "uid" or "gid"."""
    lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    extents = [tuple(map(int, line.split())) for line in lines]
    return tuple(
        IdRange(first, first, min(count, _ALL_IDS - 1 - first)) for first, _, count in extents
    )


def user_ranges(kind: str) -> tuple[IdRange, ...]:
    """The map for an ordinary user: itself as 0, its subordinate IDs from 1 on.

    Raises NamespaceError when the user has no subordinate IDs.
    """
    own = os.getuid() if kind == "uid" else os.getgid()
    ranges = [IdRange(0, own, 1)]
    for start, count in _subordinate(kind):
        ranges.append(IdRange(ranges[-1].inside + ranges[-1].count, start, count))
    if len(ranges) == 1:
        raise _no_subordinate_ids(kind)
    return tuple(ranges)


def user_name() -> str:
    """The login name of this process's user, or its number if it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _subordinate(kind: str) -> list[tuple[int, int]]:
    path = Path(f"/etc/sub{kind}")
    owners = {user_name(), str(os.getuid())}
    lines = path.read_text().splitlines() if path.exists() else []
    entries = filter(None, map(_ENTRY.fullmatch, lines))
    own = [
        (int(start), int(count))
        for owner, start, count in map(re.Match.groups, entries)
        if owner in owners
    ]
    return list(dict.fromkeys(own))


def _no_subordinate_ids(kind: str) -> NamespaceError:
    last = 100000 + USUAL_COUNT - 1
    return NamespaceError(
        f"user {user_name()} cannot have a user namespace with more than one {kind}",
        why=f"/etc/sub{kind} gives it no subordinate {kind}s",
        next_command=f"sudo usermod --add-subuids 100000-{last} --add-subgids 100000-{last} "
        f"{user_name()}",
    )
