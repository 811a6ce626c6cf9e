"""Unpacked layers, one directory each, and overlays mounted from stacks of them.

A snapshot holds what one layer changed, in overlayfs's own form (whiteouts are 0:0
devices, opaque directories carry an attribute), under the *chain ID* of the layer
and all below it, because what a layer means depends on what it is applied to.
https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md#layer-chainid
https://docs.kernel.org/filesystems/overlayfs.html

Everything here needs the worker's namespaces.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.oci.blobs import BlobStore
from amphora.oci.config import chain_id, chain_ids
from amphora.oci.garbage import SNAPSHOTS
from amphora.oci.layers.apply import apply_layer
from amphora.oci.layers.compression import LayerReader
from amphora.oci.workspace import remove_tree
from amphora.system import syscalls
from amphora.system.files import explain_full_disk, sync_directory

#: Attributes that we may write in a user namespace.
_OPTIONS = "userxattr"
#: fsync inside does nothing, since the snapshot is synced once, as a whole, before it counts.
_WRITABLE_OPTIONS = "volatile"


class Layer(Struct, frozen=True):
    """A layer of an image: the blob, and the digest of what it unpacks to."""

    blob: Descriptor
    diff_id: Digest


class Overlay(Struct):
    """A mounted root file system; what is changed below `root` gathers in `upper`."""

    root: Path
    upper: Path
    kept_as: Digest | None = None

    def keep(self, diff_ids: Sequence[Digest]) -> None:
        """Have the changes become the snapshot of the topmost of these layers on unmounting.

        Nothing may be changed any more.
        """
        self.kept_as = chain_id(diff_ids)


class Snapshots:
    """The snapshots of one store; `work` is this process's workspace in it."""

    def __init__(self, blobs: BlobStore, work: Path) -> None:
        self._blobs = blobs
        self._work = work
        self._directory = blobs.root / SNAPSHOTS
        self._directory.mkdir(exist_ok=True)
        self._empty = work / "empty"
        self._empty.mkdir(exist_ok=True)

    def path(self, diff_ids: Sequence[Digest]) -> Path:
        """Where the snapshot of the topmost of these layers is, or would be."""
        chain = chain_id(diff_ids)
        return self._directory / chain.hex if chain else self._empty

    def has(self, diff_ids: Sequence[Digest]) -> bool:
        """Does a snapshot exist for each of these layers? They stay then, in `Store.using`."""
        chains = chain_ids(diff_ids)
        self._blobs.claims.claim(chain.hex for chain in chains)
        return all((self._directory / chain.hex).exists() for chain in chains)

    def unpack(self, layers: Sequence[Layer]) -> None:
        """Make sure that a snapshot exists for each of these layers, bottom first.

        Raises LayerError, DigestMismatchError, NotFoundError, DiskFullError.
        """
        if self.has([layer.diff_id for layer in layers]):
            return
        for height in range(1, len(layers) + 1):
            stack = layers[:height]
            if not self.path([layer.diff_id for layer in stack]).exists():
                self._unpack_top(stack)

    @contextmanager
    def mounted(
        self, diff_ids: Sequence[Digest], *, bottom: Path | None = None
    ) -> Iterator[Overlay]:
        """Mount unpacked layers, bottom first, with a fresh writable directory on top.

        `bottom` is a directory shown below all layers. The changes are gone at the
        end unless the overlay was told to `keep` them.
        """
        lower = [*self.stack(diff_ids), bottom or self._empty]
        with self._area() as overlay:
            with self._writable(lower, overlay):
                yield overlay
            if overlay.kept_as:
                self._adopt(overlay.upper, self._directory / overlay.kept_as.hex)

    @contextmanager
    def stacked(
        self, directories: Sequence[Path], prepare: Callable[[Path], None]
    ) -> Iterator[Overlay]:
        """Mount directories that are no snapshots, topmost first; changes are gone at the end.

        `prepare` may put things into the layer above them, in overlayfs's own form.
        """
        with self._area() as overlay:
            prepare(overlay.upper)
            with self._writable(directories, overlay):
                yield overlay

    @contextmanager
    def _area(self) -> Iterator[Overlay]:
        """New directories for an overlay, with what is in them removed at the end."""
        area = self._work / secrets.token_hex(4)
        overlay = Overlay(area / "root", area / "upper")
        for path in (area, overlay.root, overlay.upper, area / "work"):
            path.mkdir()
        try:
            yield overlay
        finally:
            remove_tree(area)

    @contextmanager
    def _writable(self, lower: Sequence[Path], overlay: Overlay) -> Iterator[None]:
        writable = (overlay.upper, overlay.root.with_name("work"))
        _mount_overlay(lower, overlay.root, syscalls.MS_NODEV, writable)
        try:
            yield
        finally:
            syscalls.unmount(overlay.root)

    @contextmanager
    def shown(
        self, diff_ids: Sequence[Digest], place: Path, *, above: Path | None = None
    ) -> Iterator[None]:
        """Show unpacked layers, bottom first, at a place where nobody can change anything.

        `above` is a directory shown above all of them.
        """
        lower = [above or self._empty, *self.stack(diff_ids)]
        flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV
        place.mkdir()
        _mount_overlay(lower, place, flags)
        try:
            yield
        finally:
            syscalls.unmount(place)

    def stack(self, diff_ids: Sequence[Digest]) -> list[Path]:
        """The snapshots of layers given bottom first, as overlayfs wants them: topmost first."""
        return [self._directory / chain.hex for chain in reversed(chain_ids(diff_ids))]

    def _unpack_top(self, layers: Sequence[Layer]) -> None:
        """Apply the topmost layer to those below, as mounted, so that it lands where it means."""
        top = layers[-1]
        diff_ids = [layer.diff_id for layer in layers]
        with (
            self.mounted(diff_ids[:-1]) as overlay,
            self._blobs.open(top.blob.digest) as blob,
        ):
            apply_layer(LayerReader(blob), overlay.root, expected=top.diff_id)
            overlay.keep(diff_ids)

    def _adopt(self, upper: Path, final: Path) -> None:
        self._blobs.claims.claim([final.name])
        with explain_full_disk(self._directory):
            _sync(upper)
            try:
                upper.rename(final)
            except OSError:
                # Somebody else made the very same snapshot first: theirs will do.
                if not final.is_dir():
                    raise
            sync_directory(self._directory)


def _mount_overlay(
    lower: Sequence[Path], place: Path, flags: int, writable: tuple[Path, Path] | None = None
) -> None:
    """Mount layers; `writable` are the directory for changes and overlayfs's own beside it.

    They are named by open descriptors: mount(2) takes 4096 bytes of options at most.
    """
    with ExitStack() as stack:

        def short(path: Path) -> str:
            descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            return f"/proc/self/fd/{descriptor}"

        options = f"{_OPTIONS},lowerdir={':'.join(map(short, lower))}"
        if writable:
            upper, work = map(short, writable)
            options += f",upperdir={upper},workdir={work},{_WRITABLE_OPTIONS}"
        syscalls.mount("overlay", place, "overlay", flags, options)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syscalls.sync_filesystem(descriptor)
    finally:
        os.close(descriptor)
