"""A Debian root for another CPU, with its package tools' native counterparts standing in.

The counterparts are the same packages for our CPU, unpacked beside it while mmdebstrap
fetches and unpacks the foreign ones. mmdebstrap's hooks show them in the new root before its
first program is executed there, and take them away after the last.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from amphora.base.debian import bootstrap, extract
from amphora.base.request import BaseRequest
from amphora.core.platform import Platform
from amphora.emulation.account import Account
from amphora.emulation.offer import SHOWN_AT, Offer, offered
from amphora.emulation.packages import Packages, same_version
from amphora.system import syscalls

#: What maintainer scripts use without asking, and what installs packages.
_COUNTERPARTS = ("?essential", "apt")

_ARCHIVE = re.compile(r"(?P<name>[^_]+)_(?P<version>[^_]+)_[^_]+[.]deb")


async def bootstrap_handing_off(
    request: BaseRequest,
    platform: Platform,
    root: Path,
    work: Path,
    on_output: Callable[[bytes], None],
) -> Account | None:
    """As bootstrap; `work` is a directory for what is needed meanwhile.

    Returns what was executed where; None if the root must not be used, because the archive
    had other versions for our CPU than for the root's.
    """
    area = work / secrets.token_hex(4)
    area.mkdir()
    os.mkfifo(area / "gate")
    hook = shutil.copy(Path(__file__).with_name("show_counterparts.sh"), area / "show")

    async def fetch(packages: Mapping[str, str]) -> Path:
        return await _native_root(request, area, [*_COUNTERPARTS, *packages])

    hooks = (f"--extract-hook={hook}", f"--customize-hook={hook}")
    bootstrapping = asyncio.create_task(bootstrap(request, platform, root, on_output, hooks))
    try:
        native = await _native_root(request, area, _COUNTERPARTS)
        offer = Offer(area, native, platform, fetch, same_archive=True)
        async with offered(offer, root) as account:
            with (area / "gate").open("r+b", buffering=0) as gate:
                gate.write(b"\n")
                await bootstrapping
    finally:
        bootstrapping.cancel()
        await asyncio.gather(bootstrapping, return_exceptions=True)
        shown = root / SHOWN_AT.lstrip("/")
        if shown.is_mount():
            syscalls.unmount(shown, syscalls.MNT_DETACH)
    return account if _same_versions(root, native) else None


async def _native_root(request: BaseRequest, area: Path, packages: Sequence[str]) -> Path:
    """The packages for our CPU, unpacked below a new directory of the area."""
    root = area / f"root-{secrets.token_hex(4)}"
    await extract(request, Platform.host(), root, packages)
    archives = (root / "var/cache/apt/archives").glob("*.deb")
    found = filter(None, (_ARCHIVE.fullmatch(archive.name) for archive in archives))
    # dpkg has not seen them: what apt calls its files says which versions they are.
    (root / "var/lib/dpkg/status").write_text(
        "".join(
            f"Package: {match['name']}\nStatus: install ok unpacked\n"
            f"Version: {unquote(match['version'])}\n\n"
            for match in found
        )
    )
    return root


def _same_versions(root: Path, native: Path) -> bool:
    """Is what stood in, before dpkg knew the packages, of the versions that it knows now?"""
    theirs, ours = Packages.read(root).versions, Packages.read(native).versions
    common = theirs.keys() & ours.keys()
    return all(same_version(ours[name], theirs[name]) for name in common)
