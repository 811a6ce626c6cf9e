"""Terminals: raw while a program of another terminal is typed to, and as they were after that.

https://man7.org/linux/man-pages/man3/termios.3.html, ioctl_tty(2)
"""

import fcntl
import os
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def kept_as_it_is(terminal: int) -> Iterator[None]:
    """Whatever happens to a terminal meanwhile, it has its old attributes at the end.

    Does nothing for what is no terminal.
    """
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        yield
    finally:
        # In the background the kernel would stop us for touching it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with suppress(termios.error):  # It is gone: there is nothing to restore.
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Every key goes to the program, Ctrl-C included; nothing is shown by the terminal itself."""
    with kept_as_it_is(terminal):
        tty.setraw(terminal, termios.TCSADRAIN)
        yield


def copy_window_size(source: int, target: int) -> None:
    """Give a terminal the size of another; nothing happens if either is gone."""
    with suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def has_controlling_terminal() -> bool:
    """Has this process a terminal (still)?"""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True
