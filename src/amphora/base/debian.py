"""A Debian root file system for any architecture, by mmdebstrap.

Runs inside the worker's namespaces, where the platform's programs already run: the
packages' maintainer scripts are the platform's own.
https://gitlab.mister-muffin.de/josch/mmdebstrap
"""

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from amphora.base.request import BaseRequest
from amphora.core.errors import InvalidValueError, UnsupportedPlatformError
from amphora.core.platform import Platform
from amphora.emulation.packages import PORTS
from amphora.system.process import find_tool, stream, tool_failed

#: What differs from one run, or one host, to the next, and is of no use in an image.
_TRANSIENT = (
    "dev/*",
    "etc/hostname",
    "etc/resolv.conf",
    "run/*",
    "tmp/*",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/*-old",
    "var/log/*",
)

#: How much of mmdebstrap's output an error can repeat.
_KEPT_CHUNKS = 64


async def bootstrap(
    request: BaseRequest,
    platform: Platform,
    root: Path,
    on_output: Callable[[bytes], None],
    hooks: Sequence[str] = (),
) -> None:
    """Fill `root`, which must not exist, with the suite's packages for a platform.

    `hooks` are options of mmdebstrap. Raises InvalidValueError for a distribution that is
    not Debian, UnsupportedPlatformError for a platform Debian has no port of,
    MissingToolError, and ToolFailedError with the end of mmdebstrap's output.
    """
    options = [f"--variant={request.variant}", *hooks]
    if request.include:
        options.append("--include=" + ",".join(request.include))
    await _mmdebstrap(request, platform, root, options, on_output)
    _remove_transient(root)


async def extract(
    request: BaseRequest, platform: Platform, root: Path, packages: Sequence[str]
) -> None:
    """Fill `root` with what is in packages, and all that they need, without installing it.

    apt's own files of them are left in var/cache/apt/archives. Raises as bootstrap.
    """
    options = ["--variant=extract", "--skip=cleanup/apt/cache"]
    options += [f"--include={package}" for package in packages]
    await _mmdebstrap(request, platform, root, options, lambda _: None)


async def _mmdebstrap(
    request: BaseRequest,
    platform: Platform,
    root: Path,
    options: Sequence[str],
    on_output: Callable[[bytes], None],
) -> None:
    command = _command(request, platform, root, options)
    said: deque[bytes] = deque(maxlen=_KEPT_CHUNKS)

    def hear(chunk: bytes) -> None:
        said.append(chunk)
        on_output(chunk)

    extra = {}
    if request.source_date_epoch is not None:
        extra["SOURCE_DATE_EPOCH"] = str(request.source_date_epoch)
    status = await stream(command, hear, extra_environment=extra)
    if status != 0:
        raise tool_failed(command, status, b"".join(said))


def suite_of(request: BaseRequest) -> str:
    """`trixie` of `debian:trixie`; raises InvalidValueError for other distributions."""
    reference = request.reference
    if reference.path.rsplit("/", 1)[-1] != "debian" or reference.tag in {None, "latest"}:
        raise InvalidValueError(
            f"cannot make a base image {reference.familiar}",
            why="base images are made of Debian's packages, and the name says which release",
            next_command="name it [HOST/]debian:RELEASE, for example debian:trixie",
        )
    return str(reference.tag).removesuffix("-slim")


def _command(
    request: BaseRequest, platform: Platform, root: Path, options: Sequence[str]
) -> list[str]:
    port = PORTS.get(str(platform))
    if port is None:
        raise UnsupportedPlatformError(
            f"there is no Debian for {platform}",
            why="Debian has no port of that name",
            next_command="choose from " + ", ".join(PORTS),
        )
    command = [
        find_tool("mmdebstrap", "mmdebstrap"),
        "--mode=root",
        f"--architectures={port}",
        "--format=directory",
        *options,
    ]
    command += [suite_of(request), str(root)]
    return [*command, request.mirror] if request.mirror else command


def _remove_transient(root: Path) -> None:
    for pattern in _TRANSIENT:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
