"""Network namespaces of our own, kept by a file that others can join them by."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from amphora.system import syscalls


@contextmanager
def network_namespace(path: Path) -> Iterator[Path]:
    """A new network namespace, with loopback alone and that down, while a file stands for it.

    `path` is the file, which is made. Raises OSError. See network_namespaces(7).
    """
    path.touch()
    try:
        _in_thread_of_its_own(lambda: _keep_new(path))
        try:
            yield path
        finally:
            syscalls.unmount(path, syscalls.MNT_DETACH)
    finally:
        path.unlink()


def _keep_new(path: Path) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNET)
    syscalls.mount("/proc/thread-self/ns/net", path, None, syscalls.MS_BIND)


def _in_thread_of_its_own(function: Callable[[], None]) -> None:
    """Each thread may have another network; one that ends takes nobody else's along."""
    errors: list[OSError] = []

    def body() -> None:
        try:
            function()
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
