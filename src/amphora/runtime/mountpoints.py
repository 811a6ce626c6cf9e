"""Places in the root that a container is given mounts on, and files of the host's it needs.

Shown as the lowest layer of a container's root, they are always there, need not be
made in the image, and never end up in a layer of it.
"""

from collections.abc import Sequence
from pathlib import Path

from amphora.runtime.spec import Bind

_DIRECTORIES = ("proc", "sys", "dev")

#: What a container on the host's network needs to resolve names.
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts")


def make_mount_points(directory: Path) -> Path:
    """Fill a directory with empty mount points, if it is not yet; returns it."""
    for name in _DIRECTORIES:
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name in _NETWORK_FILES:
        path = directory / name.lstrip("/")
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return directory


def network_binds() -> Sequence[Bind]:
    """The host's files for name resolution, read-only, as far as it has them."""
    return [Bind(Path(name), name) for name in _NETWORK_FILES if Path(name).exists()]
