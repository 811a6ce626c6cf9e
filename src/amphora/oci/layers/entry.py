"""One entry of a layer's tar, and what both directions agree on about names and attributes.

https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md
"""

from collections.abc import Mapping

from msgspec import Struct, field

from amphora.core.errors import LayerError

FILE = b"0"
HARDLINK = b"1"
SYMLINK = b"2"
CHARACTER_DEVICE = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
FIFO = b"6"

WHITEOUT_PREFIX = b".wh."
OPAQUE_MARKER = b".wh..wh..opq"

_OVERLAY_ATTRIBUTES = ("user.overlay.", "trusted.overlay.")


class Entry(Struct, frozen=True):
    """What a tar says about one file; names are bytes, as the kernel has them.

    `kind` is the tar's type flag, `link` the target of a symlink or hardlink, `mtime`
    is in nanoseconds, `device` is (major, minor).
    """

    name: bytes
    kind: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    attributes: Mapping[str, bytes] = field(default_factory=dict)


def travels(attribute: str) -> bool:
    """Tell whether an extended attribute belongs in a layer.

    File capabilities and users' own attributes do. SELinux labels, ACLs and trusted.*
    belong to the machine; overlayfs's would change the meaning of the directory they
    are unpacked into.
    """
    if attribute.startswith(_OVERLAY_ATTRIBUTES):
        return False
    return attribute == "security.capability" or attribute.startswith("user.")


def layer_error(what: str, why: str) -> LayerError:
    return LayerError(what, why=why, next_command="ask whoever made the image to build it again")


def printable(name: bytes) -> str:
    """A name from a tar as it may be shown: nothing in it reaches the terminal raw."""
    return repr(name.decode("utf-8", "surrogateescape"))[1:-1][:200]
