"""Is this kernel new enough, and does it let its users make namespaces?

What each version brought: overlayfs in user namespaces with 5.11
(https://kernelnewbies.org/Linux_5.11), binfmt_misc of their own with 6.7
(https://kernelnewbies.org/Linux_6.7). That they really work is proven elsewhere, by entering
a worker.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from amphora.core.platform import Platform
from amphora.doctor.check import Check, ok, problem, warning
from amphora.system.roots import read_in_root

OVERLAYS = (5, 11)
PRIVATE_TABLES = (6, 7)

_APPARMOR_SOURCE = "https://github.com/moby/moby/issues/47480"


def check_release(release: str) -> Check:
    """Judge a kernel by its version, as uname(2) tells it."""
    match = re.match(r"(\d+)\.(\d+)", release)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    upgrade = f"sudo apt-get install linux-image-{Platform.host().architecture}"
    if version < OVERLAYS:
        seen = f"Linux {release}: user namespaces can mount no overlayfs before 5.11"
        return problem("kernel", seen, upgrade)
    if version < PRIVATE_TABLES:
        seen = f"Linux {release}: before 6.7 other CPUs need the machine's own binfmt_misc"
        return warning("kernel", seen, "sudo amphora emulator install all")
    return ok("kernel", f"Linux {release}")


def check_namespaces(root: Path, uid: int) -> Iterator[Check]:
    """What forbids user namespaces to a user; the files of /proc are read below `root`.

    Root may make them whatever AppArmor and Debian's own switch say.
    """
    limit = _number(root, "proc/sys/user/max_user_namespaces")
    if limit == 0:
        seen = "user.max_user_namespaces is 0: nobody may make one"
        yield problem("user namespaces", seen, "sudo sysctl -w user.max_user_namespaces=16384")
    elif uid != 0 and _number(root, "proc/sys/kernel/unprivileged_userns_clone") == 0:
        seen = "kernel.unprivileged_userns_clone is 0: only root may make one"
        command = "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        yield problem("user namespaces", seen, command)
    elif uid != 0 and _number(root, "proc/sys/kernel/apparmor_restrict_unprivileged_userns"):
        seen = "AppArmor restricts them to programs that have a profile for it"
        command = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        yield warning("user namespaces", seen, command, source=_APPARMOR_SOURCE)
    else:
        seen = "nothing forbids them" + (f"; at most {limit}" if limit else "")
        yield ok("user namespaces", seen)


def _number(root: Path, path: str) -> int | None:
    """What a file of /proc/sys says; None where this kernel has no such switch."""
    text = (read_in_root(root, path) or b"").strip()
    return int(text) if text.isdigit() else None
