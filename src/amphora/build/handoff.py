"""Handing off what a RUN executes on another CPU: the twin, the table, the account of it."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amphora.build.account import Account
from amphora.core.platform import Platform
from amphora.emulation.counterparts import Identity, NativeSide
from amphora.emulation.renamed import Renaming
from amphora.emulation.table import write_table
from amphora.oci.snapshots import Layer, Snapshots
from amphora.runtime.spec import Bind

#: Where containers see the native side: under /dev, which no layer ever holds.
_SHOWN_AT = "/dev/.amphora"

#: A hundred times what a large build logs; what a flood leaves behind it is not read.
_MOST_READ = 64 << 20
_LONGEST_LINE = 512


def native_side(
    root: Path,
    platform: Platform,
    copies: Path,
    *,
    base_file: Callable[[str], os.stat_result | None] | None = None,
    digests: dict[Identity, str] | None = None,
) -> NativeSide:
    """A mounted native root for an image of a platform; `copies` is an empty directory.

    The rest is as in NativeSide.
    """
    host = Platform.host()
    renaming = Renaming(host, platform, copies, f"{_SHOWN_AT}/copies")
    return NativeSide(
        root=root,
        shown_at=f"{_SHOWN_AT}/root",
        architecture=host.architecture,
        renaming=renaming,
        base_file=base_file,
        digests={} if digests is None else digests,
    )


def fetch_command(packages: Mapping[str, str]) -> Sequence[str]:
    """What to run in the native variant of an image to have these versions of packages in it."""
    script = Path(__file__).with_name("fetch_counterparts.sh").read_text(encoding="utf-8")
    pairs = [f"{name}={version}" for name, version in packages.items()]
    return ["/bin/sh", "-c", script, "fetch", *pairs]


@dataclass(frozen=True, slots=True)
class HandoffSource:
    """The native side of a stage: its image's native variant, with what was fetched into it.

    `base` are the layers of the foreign variant; `digests` is shared by all steps of a build.
    """

    snapshots: Snapshots
    layers: Sequence[Layer]
    base: Sequence[Layer]
    digests: dict[Identity, str]
    work: Path

    def unpack(self) -> None:
        """Have the native variant on disk; takes a while the first time."""
        self.snapshots.unpack(self.layers)

    @contextmanager
    def offered(
        self, image: Path, platform: Platform, account: Account
    ) -> Iterator[Sequence[Bind]]:
        """What a container of the mounted image must see meanwhile for handoff to happen."""
        diff_ids = [layer.diff_id for layer in self.layers]
        area = self.work / secrets.token_hex(4)
        area.mkdir()
        table, log = area / "table", area / "log"
        with self.snapshots.mounted(diff_ids) as native:
            copies = area / "copies"
            copies.mkdir()
            side = native_side(
                native.root, platform, copies, base_file=self._base_file, digests=self.digests
            )
            table.write_bytes(write_table(side.handoffs(image, platform.architecture)))
            log.touch()
            # Whatever user the step runs as adds to it.
            log.chmod(0o622)
            yield [
                Bind(table, f"{_SHOWN_AT}/table"),
                Bind(log, f"{_SHOWN_AT}/log", read_only=False),
                Bind(native.root, f"{_SHOWN_AT}/root"),
                Bind(copies, f"{_SHOWN_AT}/copies"),
            ]
        _read_log(log, account)

    def _base_file(self, path: str) -> os.stat_result | None:
        """In the snapshots themselves: an overlay shows their files under the same inodes."""
        diff_ids = [layer.diff_id for layer in self.base]
        for height in range(len(diff_ids), 0, -1):
            place = self.snapshots.path(diff_ids[:height]) / path
            if os.path.lexists(place):
                return place.lstat()
        return None


def _read_log(log: Path, account: Account) -> None:
    """Count the lines: a letter, and the path that was executed.

    Any program of the step can write into the log, whatever and as much as it likes.
    """
    with log.open("rb") as file:
        while file.tell() < _MOST_READ and (line := file.readline(_LONGEST_LINE)):
            account.count(line[:1], line[1:].decode(errors="replace").removesuffix("\n"))
