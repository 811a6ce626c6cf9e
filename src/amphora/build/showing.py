"""The files that a RUN can mount: of the build context, of a stage, of an image.

The context is shown as it is on disk, below a layer that hides what .dockerignore leaves out,
so that a large one need not be copied. Nothing that is written to it gets there.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from amphora.build.attaching import Files
from amphora.build.attachments import Shown, find_source
from amphora.build.filetree import FileTree
from amphora.core.digest import Digest
from amphora.core.errors import ContextError
from amphora.oci.snapshots import Snapshots
from amphora.system.tasks import in_thread

_CONTEXT = "the build context"


def context_files(tree: FileTree, snapshots: Snapshots) -> Files:
    """Those of a build context; what counts of them is what COPY would take."""

    @contextmanager
    def shown() -> Iterator[Path]:
        with snapshots.stacked([tree.root], lambda top: _hide_ignored(tree, top)) as overlay:
            yield overlay.root

    async def content(source: str) -> Mapping[str, str]:
        return {"context": str(await in_thread(_digest, tree, source))}

    return Files(shown, content, _CONTEXT)


def image_files(shown: Shown, chain: Digest | None, name: str) -> Files:
    """Those of a stage or image with these layers."""

    async def content(_source: str) -> Mapping[str, str]:
        return {"image": str(chain)}

    return Files(shown, content, name)


def _digest(tree: FileTree, source: str) -> Digest:
    find_source(tree.root, source, _CONTEXT)
    try:
        return tree.digest(tree.find(source))
    except OSError as error:
        raise ContextError(
            f"cannot read {error.filename} of the build context",
            why=str(error.strerror).lower(),
            next_command="make it readable, or leave it out with .dockerignore",
        ) from error


def _hide_ignored(tree: FileTree, layer: Path) -> None:
    """Put a whiteout into the layer for everything that is not part of the tree."""
    if tree.is_whole:
        return
    sources = tree.find("")
    kept = {entry.path for source in sources for entry in source.entries}
    for path, directories, files in os.walk(tree.root):
        here = Path(path).relative_to(tree.root)
        hidden = [name for name in (*directories, *files) if str(here / name) not in kept]
        for name in hidden:
            _make_like(tree.root, layer, here)
            os.mknod(layer / here / name, stat.S_IFCHR, os.makedev(0, 0))
        directories[:] = [name for name in directories if name not in hidden]


def _make_like(original: Path, layer: Path, relative: Path) -> None:
    """The directory with all above it, which look as they do in the original."""
    for part in (*reversed(relative.parents), relative):
        if not (layer / part).exists():
            (layer / part).mkdir()
        if part != Path():
            status = (original / part).stat()
            os.chown(layer / part, status.st_uid, status.st_gid)
            shutil.copystat(original / part, layer / part)
