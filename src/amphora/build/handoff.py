"""Handing off what a RUN executes on another CPU: where its native side comes from."""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from amphora.core.platform import Platform
from amphora.emulation.account import Account
from amphora.emulation.counterparts import Identity
from amphora.emulation.offer import SHOWN_AT, Offer, offered
from amphora.oci.snapshots import Layer, Snapshots
from amphora.runtime.spec import Bind
from amphora.system import syscalls
from amphora.system.tasks import in_thread

#: Versions by the names of packages → the native layers with these as well.
FetchLayers: TypeAlias = Callable[[Mapping[str, str]], Awaitable[Sequence[Layer]]]


def fetch_command(packages: Mapping[str, str], *, any_revision: bool) -> Sequence[str]:
    """What to run in the native variant of an image to have these versions of packages in it.

    With `any_revision` the nearest one that there is of the same upstream version.
    """
    script = Path(__file__).with_name("fetch_counterparts.sh").read_text(encoding="utf-8")
    pairs = [f"{name}={version}" for name, version in packages.items()]
    which = "nearest" if any_revision else "exact"
    return ["/bin/sh", "-c", script, "fetch", which, *pairs]


class HandoffSource(Struct, frozen=True):
    """The native side of a stage: its image's native variant, and whoever fetches more.

    `base` are the layers of the foreign variant; `digests` is shared by all steps of a build;
    `any_revision` is as in NativeSide.
    """

    snapshots: Snapshots
    layers: Sequence[Layer]
    base: Sequence[Layer]
    digests: dict[Identity, str]
    work: Path
    fetch: FetchLayers
    any_revision: bool

    @asynccontextmanager
    async def offered(
        self, image: Path, platform: Platform
    ) -> AsyncIterator[tuple[Account, Sequence[Bind]]]:
        """What a container of the mounted image must see for handoff to happen; the account."""
        await in_thread(self.snapshots.unpack, self.layers)
        with ExitStack() as mounts:
            area = mounts.enter_context(_shared_directory(self.work / secrets.token_hex(4)))
            shown = list(self.layers)

            def show(layers: Sequence[Layer]) -> Path:
                diff_ids = [layer.diff_id for layer in layers]
                place = area / f"root-{secrets.token_hex(4)}"
                mounts.enter_context(self.snapshots.shown(diff_ids, place))
                return place

            async def fetch(packages: Mapping[str, str]) -> Path | None:
                layers = list(await self.fetch(packages))
                if layers == shown:
                    return None
                await in_thread(self.snapshots.unpack, layers)  # what was fetched before
                shown[:] = layers
                return show(layers)

            offer = Offer(
                area,
                show(shown),
                platform,
                fetch,
                self._base_file,
                any_revision=self.any_revision,
                digests=self.digests,
            )
            async with offered(offer, image) as account:
                yield (
                    account,
                    (
                        Bind(area, SHOWN_AT, follows=True),
                        Bind(offer.log, f"{SHOWN_AT}/log", read_only=False),
                    ),
                )

    def _base_file(self, path: str) -> os.stat_result | None:
        """In the snapshots themselves: an overlay shows their files under the same inodes."""
        for snapshot in self.snapshots.stack([layer.diff_id for layer in self.base]):
            place = snapshot / path
            if os.path.lexists(place):
                return place.lstat()
        return None


@contextmanager
def _shared_directory(path: Path) -> Iterator[Path]:
    """A new directory; what is mounted below it is seen wherever it is shown."""
    path.mkdir()
    syscalls.mount(str(path), path, None, syscalls.MS_BIND)
    try:
        syscalls.mount("none", path, None, syscalls.MS_SHARED)
        yield path
    finally:
        syscalls.unmount(path)
