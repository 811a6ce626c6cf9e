"""Opening the store that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amphora.core.errors import StoreError
from amphora.core.settings import Settings
from amphora.oci.garbage import Freed
from amphora.oci.snapshots import remove_snapshots
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces
from amphora.system.files import explain_full_disk


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store, kept from garbage collection meanwhile.

    Raises StoreError if it may not be written to, DiskFullError.
    """
    root = Path(settings.store)
    with explain_full_disk(root):
        try:
            store = Store(root)
        except PermissionError as error:
            raise StoreError(
                f"cannot open the store {root}",
                why=f"{error.strerror}: {error.filename}",
                next_command="choose another with --store, or run it as the user it belongs to",
            ) from error
        with store.using():
            yield store


def collect_garbage(settings: Settings, *, cache: bool = False) -> Freed:
    """Delete what no image needs, snapshots included; needs the worker.

    Raises StoreError while another process uses the store.
    """
    store = Store(Path(settings.store))
    sweep_workspaces(store.root)
    return store.collect_garbage(
        cache=cache, remove_snapshots=lambda live: remove_snapshots(store.root, live)
    )
