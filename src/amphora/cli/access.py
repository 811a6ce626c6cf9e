"""Opening the store that the settings name."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from amphora.core.errors import StoreError
from amphora.core.settings import Settings
from amphora.oci.cache_mounts import CacheMounts
from amphora.oci.garbage import Freed
from amphora.oci.store import Store
from amphora.oci.workspace import sweep_workspaces
from amphora.system.files import explain_full_disk

_REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store, kept from garbage collection meanwhile.

    Raises StoreError if it may not be written to, DiskFullError.
    """
    root = Path(settings.store)
    with explain_full_disk(root), ExitStack() as stack:
        with explain_refusal(root):
            store = Store(root)
            stack.enter_context(store.using())
        yield store


def collect_garbage(
    settings: Settings, *, cache: bool = False, cache_mounts: bool = False
) -> Freed:
    """Delete what no image needs, snapshots included; needs the worker.

    With `cache` what builds remember too, with `cache_mounts` the directories of
    `RUN --mount=type=cache`.

    Raises StoreError while another process uses the store, or if it may not be written to.
    """
    root = Path(settings.store)

    def also() -> Freed:
        sweep_workspaces(root)
        if cache:
            from amphora.build.context_hashes import forget_contexts
            from amphora.remote.download import forget_downloads

            forget_downloads(root)
            forget_contexts(root)
        return CacheMounts(root).remove(only_unfinished=not cache_mounts)

    with explain_refusal(root):
        return Store(root).collect_garbage(cache=cache, also=also)


@contextmanager
def explain_refusal(root: Path, *, flag: str = "--store") -> Iterator[None]:
    """Turn what the system says to a store that is not ours, or none, into StoreError.

    `flag` chooses another directory in place of `root`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise StoreError(
            f"cannot open the store {root}",
            why=f"{os.strerror(error.errno).lower()}: {error.filename}",
            next_command=f"choose another with {flag}, or run it as the user it belongs to",
        ) from error
