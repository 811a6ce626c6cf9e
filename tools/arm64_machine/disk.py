"""The machine's disk: an image of the store, with more files, as a file system; and its kernel.

    python disk.py CARGO DISK KERNEL IMAGE

In the worker's namespaces, so that every file has the owner it is to have there.
"""

import shutil
import sys
from pathlib import Path

from amphora.cli.access import open_store
from amphora.cli.configuration import read_settings
from amphora.cli.guard import guarded
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import image_for
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.workspace import workspace
from amphora.system.namespace import run_inside
from amphora.system.process import find_tool, run

_PLATFORM = Platform.parse("linux/arm64")
_SIZE = "8G"


def main() -> None:
    *paths, name = sys.argv[1:]
    cargo, disk, kernel = map(Path, paths)
    settings = read_settings({})
    with open_store(settings) as store, workspace(store.root) as work:
        image = store.resolve(Reference.parse(name))
        _, manifest, config = image_for(store.blobs, image, _PLATFORM)
        snapshots = Snapshots(store.blobs, work)
        snapshots.unpack(tuple(map(Layer, manifest.layers, config.diff_ids)))
        with snapshots.mounted(config.diff_ids) as overlay:
            shutil.copytree(cargo, overlay.root, symlinks=True, dirs_exist_ok=True)
            (found,) = (overlay.root / "boot").glob("vmlinuz-*")
            shutil.copy(found, kernel)
            make = (find_tool("mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-m", "0")
            run([*make, "-d", str(overlay.root), str(disk), _SIZE])


if __name__ == "__main__":
    sys.exit(run_inside(lambda: guarded(main)))
