"""The files of an image without the image: in a directory, or in one tar.

https://docs.docker.com/build/exporters/local-tar/: of several platforms each gets a directory
of its own, `linux_arm64`, unless they are to be put over each other.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from amphora.build.copying import CopyRules, copy_sources
from amphora.build.export.statements import Statements
from amphora.build.filetree import FileTree
from amphora.build.request import Variant
from amphora.core.descriptor import Descriptor
from amphora.core.errors import ContextError, InvalidValueError
from amphora.core.platform import Platform
from amphora.oci.config import ImageConfig
from amphora.oci.graph import read_document
from amphora.oci.layers.diff import write_tree
from amphora.oci.model import Manifest
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import remove_tree, workspace
from amphora.runtime.spec import User
from amphora.system.files import explain_refusal_to_write


def export_directory(
    store: Store,
    variants: Sequence[Variant],
    destination: Path,
    *,
    split: bool,
    epoch: int | None,
    statements: Statements | None = None,
) -> None:
    """Put the files into a directory, all of them belonging to whoever runs this.

    A new directory is there when it is whole; into one that exists they are put one by one,
    beside what is there. No link in it is followed. With `epoch` all have exactly that time.
    Raises ContextError where something of another kind is in the way, InvalidValueError for a
    place that cannot be written to, DiskFullError.
    """
    _check_destination(destination)
    new = not destination.exists()
    partial = destination.with_name(f".{destination.name}.partial") if new else destination
    with (
        _shown(store, variants, statements, split=split) as root,
        explain_refusal_to_write(destination),
    ):
        if new:
            remove_tree(partial)
        try:
            partial.mkdir(parents=True, exist_ok=True)
            _copy(root, partial, epoch)
            if new:
                partial.rename(destination)
        except BaseException:
            if new:
                remove_tree(partial)
            raise


def export_tar(
    store: Store,
    variants: Sequence[Variant],
    output: BinaryIO,
    *,
    split: bool,
    epoch: int | None,
    statements: Statements | None = None,
) -> None:
    """Write the files as a tar, with their own owners; times after `epoch` become `epoch`.

    Raises LayerError for a name that a tar of ours cannot hold.
    """
    with _shown(store, variants, statements, split=split) as root:
        write_tree(root, output, clamp_mtime=epoch)


def unpack_image(store: Store, variants: Sequence[Variant]) -> None:
    """Have the layers on disk as whoever runs the image wants them; raises what that does."""
    with workspace(store.root) as work:
        snapshots = Snapshots(store.blobs, work)
        for variant in variants:
            snapshots.unpack(_layers(store, variant.manifest))


@contextmanager
def _shown(
    store: Store, variants: Sequence[Variant], statements: Statements | None, *, split: bool
) -> Iterator[Path]:
    """A directory where all that is asked for can be read, while it is."""
    with workspace(store.root) as work, ExitStack() as mounts:
        snapshots = Snapshots(store.blobs, work)
        parent = work / "output"
        parent.mkdir()
        roots = []
        for variant in variants:
            layers = _layers(store, variant.manifest)
            snapshots.unpack(layers)
            roots.append(parent / directory_name(variant.platform))
            diff_ids = [layer.diff_id for layer in layers]
            above = None
            if statements and statements.about(variant.platform):
                above = work / f"said-{roots[-1].name}"
                above.mkdir()
                bare = work / f"bare-{roots[-1].name}"
                with snapshots.shown(diff_ids, bare):
                    statements.write(variant.platform, bare, above)
            mounts.enter_context(snapshots.shown(diff_ids, roots[-1], above=above))
        if split:
            yield parent
        elif len(roots) == 1:
            yield roots[0]
        else:
            _check_disjoint(roots)
            yield mounts.enter_context(snapshots.stacked(roots, lambda _upper: None)).root


def directory_name(platform: Platform) -> str:
    """What the directory of a platform is called."""
    return str(platform).replace("/", "_")


def _layers(store: Store, descriptor: Descriptor) -> list[Layer]:
    manifest = Manifest.decode(read_document(store.blobs, descriptor.digest))
    config = ImageConfig.decode(read_document(store.blobs, manifest.config.digest))
    return list(map(Layer, manifest.layers, config.diff_ids))


def _copy(root: Path, destination: Path, epoch: int | None) -> None:
    try:
        copy_sources(
            FileTree(root).find(""), destination, "/", CopyRules(owner=User(), mtime=epoch)
        )
    except ContextError as error:
        raise ContextError(
            f"cannot write the files to {destination}",
            why=f"{error.what}, since something of another kind has its name",
            next_command="remove it, or choose another directory",
        ) from error


def _check_destination(destination: Path) -> None:
    if destination.exists() and not destination.is_dir():
        raise InvalidValueError(
            f"--output cannot be put into {destination}",
            why="it is no directory",
            next_command="choose another name, or write one file with type=tar",
        )


def _check_disjoint(roots: Sequence[Path]) -> None:
    """Put over each other, no platform may hide a file of another."""
    seen: dict[Path, Path] = {}
    for root in roots:
        for directory, directories, files in os.walk(root):
            for name in (*directories, *files):
                path = Path(directory, name)
                relative = path.relative_to(root)
                is_directory = stat.S_ISDIR(path.lstat().st_mode)
                other = seen.setdefault(relative, path)
                if other != path and not (is_directory and stat.S_ISDIR(other.lstat().st_mode)):
                    raise InvalidValueError(
                        f"/{relative} is in more than one platform's image",
                        why="without platform-split all would be put into one directory",
                        next_command="leave platform-split=false out, or give them other names",
                    )
