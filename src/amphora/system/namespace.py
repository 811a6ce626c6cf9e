"""A user, mount and PID namespace of our own, and what runs in it.

`run_inside(function)` forks; the child is PID 1 of the new namespaces and root in
them, and runs the function. When either process dies, however it dies, the kernel
ends everything inside and takes the mounts with it: nothing needs cleaning up.

    caller ── unshare ── waits, passes signals on
      └── child: PID 1, uid 0 inside, its own /proc
"""

import os
import select
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from amphora.core.errors import AmphoraError, NamespaceError
from amphora.system import syscalls
from amphora.system.forked import live
from amphora.system.namespace_errors import denied, map_refused, mounts_refused
from amphora.system.process import find_tool, run
from amphora.system.users import IdRange, root_ranges, user_ranges

_STOPPING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_WATCHED = {*_STOPPING, signal.SIGCHLD}

#: si_code of a signal that no process sent (sigaction(2)).
_SI_KERNEL = 0x80


def run_inside(function: Callable[[], int], *, passing_on: Collection[int] = ()) -> int:
    """Run `function` as root of new namespaces and return the status it ends with.

    It hears of what asks us to stop, and of the signals in `passing_on`.

    The calling process must be single-threaded; it is inside the user namespace
    afterwards and should only exit. Raises NamespaceError or MissingToolError when
    the system does not allow namespaces.
    """
    with _watching(passing_on) as (watched, before):
        _unshare_with_maps()
        alive, keep_alive = os.pipe()
        told, tell = os.pipe()
        if signal.sigpending() & _STOPPING:
            raise KeyboardInterrupt
        child = os.fork()
        if child == 0:
            os.close(keep_alive)
            _be_init(alive, tell, before, function)
        os.close(alive)
        os.close(tell)
        code = os.waitstatus_to_exitcode(_wait_passing_signals_on(child, watched))
    if message := _read_all(told):
        raise mounts_refused(message)
    return code if code >= 0 else 128 - code


def run_beside(
    process: int, function: Callable[[], int], *, passing_on: Collection[int] = ()
) -> int:
    """Run `function` where another process runs one by `run_inside`; returns its status.

    `process` is the one that called that, and must be ours. The caller must be single-threaded,
    and should only exit afterwards. Raises NamespaceError.
    """
    with _watching(passing_on) as (watched, before):
        _enter(process)
        child = os.fork()
        if child == 0:
            _be_beside(before, function)
        code = os.waitstatus_to_exitcode(_wait_passing_signals_on(child, watched))
    return code if code >= 0 else 128 - code


@contextmanager
def _watching(passing_on: Collection[int]) -> Iterator[tuple[set[int], set[int]]]:
    """Around a fork: the signals that are waited for rather than taken, and the mask before."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Inherited as ignored, it would make children vanish without a status.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    watched = {*_WATCHED, *passing_on}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        yield watched, before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _enter(process: int) -> None:
    kinds = {
        "user": syscalls.CLONE_NEWUSER,
        "pid_for_children": syscalls.CLONE_NEWPID,
        "mnt": syscalls.CLONE_NEWNS,
    }
    try:
        with ExitStack() as stack:
            opened = []
            for name, kind in kinds.items():
                path = f"/proc/{process}/ns/{name}"
                opened.append((os.open(path, os.O_RDONLY | os.O_CLOEXEC), kind))
                stack.callback(os.close, opened[-1][0])
            for descriptor, kind in opened:
                syscalls.setns(descriptor, kind)
    except OSError as error:
        raise NamespaceError(
            f"the namespaces of process {process} cannot be entered",
            why=f"{error.strerror}; it is another user's, or it has ended",
            next_command="run it as the user who started the container; see amphora ps",
        ) from error
    _drop_groups()


def _be_beside(mask: set[int], function: Callable[[], int]) -> NoReturn:
    """The life of the child that run_beside forks."""

    def live() -> int:
        _hear_signals(mask)
        return function()

    _live(live)


def _unshare_with_maps() -> None:
    """Enter new namespaces; a child left outside them writes the ID maps."""
    if os.geteuid() == 0:
        maps = {kind: root_ranges(kind) for kind in ("uid", "gid")}
        write = _write_map
    else:
        for tool in ("newuidmap", "newgidmap"):
            find_tool(tool, "uidmap")
        maps = {kind: user_ranges(kind) for kind in ("uid", "gid")}
        write = _write_map_with_helper
    with _outside(lambda pid: [write(kind, pid, maps[kind]) for kind in maps]) as mapped:
        _unshare()
        mapped()
    _drop_groups()


def _unshare() -> None:
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID)
    except OSError as error:
        raise denied(error) from error


def _drop_groups() -> None:
    try:
        os.setgroups([])
    except PermissionError as error:
        raise NamespaceError(
            "no process may change its groups here",
            why="/proc/self/setgroups says so: this is a user namespace of one user only, "
            "as `unshare --map-root-user` makes it",
            next_command="leave it; amphora makes the namespaces it needs",
        ) from error


@contextmanager
def _outside(action: Callable[[int], object]) -> Iterator[Callable[[], None]]:
    """Fork a child that stays outside and acts on our PID once we ask it to.

    Yields the function that asks and waits; it raises what the child reports.
    """
    go_read, go_write = os.pipe()
    said_read, said_write = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(go_write)
        _act_when_asked(go_read, said_write, lambda: action(parent))
    os.close(go_read)
    os.close(said_write)

    def ask() -> None:
        os.write(go_write, b"!")
        if message := _read_all(os.dup(said_read)):
            raise map_refused(message)

    try:
        yield ask
    finally:
        os.close(go_write)
        os.close(said_read)
        os.waitpid(child, 0)


def _act_when_asked(go: int, said: int, action: Callable[[], object]) -> NoReturn:
    """The life of the child outside: never returns into the caller's code."""
    try:
        if os.read(go, 1):
            _tell(said, action)
    finally:
        os._exit(0)


def _tell(pipe: int, action: Callable[[], object]) -> bool:
    """Do something in a child and tell the parent why it failed; True if it did not."""
    try:
        action()
    except (OSError, AmphoraError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        os.write(pipe, (reason or str(error)).encode())
        return False
    finally:
        os.close(pipe)
    return True


def _read_all(pipe: int) -> str:
    with os.fdopen(pipe, "rb") as file:
        return file.read().decode()


def _write_map(kind: str, pid: int, ranges: tuple[IdRange, ...]) -> None:
    Path(f"/proc/{pid}/{kind}_map").write_text("\n".join(map(str, ranges)) + "\n")


def _write_map_with_helper(kind: str, pid: int, ranges: tuple[IdRange, ...]) -> None:
    numbers = " ".join(map(str, ranges)).split()
    run([find_tool(f"new{kind}map", "uidmap"), str(pid), *numbers])


def _be_init(alive: int, tell: int, mask: set[int], function: Callable[[], int]) -> NoReturn:
    """The life of PID 1."""

    def live() -> int:
        # The parent may have died before prctl: its end of the pipe tells.
        if select.select([alive], [], [], 0)[0] or not _tell(tell, _own_mounts):
            return 1
        _hear_signals(mask)
        return function()

    _live(live)


def _live(function: Callable[[], int]) -> NoReturn:
    """All that a forked child does, while its parent lives."""

    def bound() -> int:
        syscalls.die_with_parent(signal.SIGKILL)
        return function()

    live(bound)


def _hear_signals(mask: set[int]) -> None:
    """Let what asks us to stop raise KeyboardInterrupt: by default PID 1 hears nothing."""
    for number in _STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _own_mounts() -> None:
    """See the host's mounts come and go, show it none of ours; a /proc of our own PIDs."""
    syscalls.mount("none", Path("/"), None, syscalls.MS_REC | syscalls.MS_SLAVE)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", Path("/proc"), "proc", flags)


def _wait_passing_signals_on(child: int, watched: set[int]) -> int:
    """Wait for the child, handing it what asks us to stop, so that it stops in good order.

    What the terminal sends (Ctrl-C) the kernel has sent to the child as well.
    """
    while True:
        received = signal.sigwaitinfo(watched)
        if received.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                return status
        elif received.si_code != _SI_KERNEL or received.si_signo == signal.SIGHUP:
            # A terminal that goes away is told to its session's leader alone, which may be us.
            os.kill(child, received.si_signo)
