"""Can this user have a user namespace with more than one ID in it?

https://man7.org/linux/man-pages/man1/newuidmap.1.html
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from amphora.core.errors import MissingToolError, NamespaceError
from amphora.doctor.check import Check, failed, ok, problem, warning
from amphora.system.process import find_tool
from amphora.system.users import USUAL_COUNT, IdRange, root_ranges, user_name, user_ranges

#: Where the kernel keeps the capabilities of a file; see capabilities(7).
_CAPABILITIES = "security.capability"

_REINSTALL = "sudo apt-get install --reinstall uidmap"


def check_identities(uid: int) -> Iterator[Check]:
    """The IDs that a worker gets, and for ordinary users the helpers that give them."""
    if uid != 0:
        yield from map(_helper, ("newuidmap", "newgidmap"))
    for kind, words in (("uid", "user IDs"), ("gid", "group IDs")):
        try:
            ranges = root_ranges(kind) if uid == 0 else user_ranges(kind)
        except NamespaceError as error:
            yield failed(words, error)
        else:
            yield _judge(words, kind, ranges, uid)


def _judge(name: str, kind: str, ranges: tuple[IdRange, ...], uid: int) -> Check:
    count = sum(each.count for each in ranges)
    if count >= USUAL_COUNT:
        return ok(name, f"{count} for {user_name()}")
    seen = f"{user_name()} has {count}; files of an image may belong to any up to {USUAL_COUNT - 1}"
    if uid == 0:
        return warning(name, seen, "leave this user namespace, or give it more IDs")
    last = 100000 + USUAL_COUNT - 1
    return warning(name, seen, f"sudo usermod --add-sub{kind}s 100000-{last} {user_name()}")


def _helper(name: str) -> Check:
    try:
        path = Path(find_tool(name, "uidmap"))
    except MissingToolError as error:
        return failed(name, error)
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        seen = f"{path} is on a file system without set-uid programs (nosuid)"
        return problem(name, seen, f"sudo mount -o remount,suid {_mount_point(path)}")
    if not _is_privileged(path):
        return problem(name, f"{path} is neither set-uid root nor has capabilities", _REINSTALL)
    return ok(name, f"{path} may write ID maps")


def _is_privileged(path: Path) -> bool:
    status = path.stat()
    if status.st_uid == 0 and status.st_mode & stat.S_ISUID:
        return True
    try:
        return _CAPABILITIES in os.listxattr(path)
    except OSError:
        return False  # A file system without such attributes.


def _mount_point(path: Path) -> Path:
    place = path.resolve()
    while not place.is_mount():
        place = place.parent
    return place
