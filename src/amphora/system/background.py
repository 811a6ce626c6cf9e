"""Going on in the background: a process that outlives its terminal and whoever started it.

See daemon(7). Whoever starts it waits until it says that it has begun, and until then passes
on what it says is wrong.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from amphora.system.forked import live

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHUNK = 1 << 16


def run_in_background(function: Callable[[Callable[[], None]], int]) -> int | None:
    """Fork a process that runs `function` in a session of its own, at the root directory.

    The function is given one to call when it has begun: then this returns None. If it ends
    before that, returns its status. A KeyboardInterrupt meanwhile ends it. The calling
    process must be single-threaded.
    """
    told, tell = os.pipe()
    heard, say = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be_in_background(tell, say, function)
    os.close(tell)
    os.close(say)
    try:
        if _begins(told, heard):
            return None
        return _ended(child)
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        _ended(child)
        raise
    finally:
        os.close(told)
        os.close(heard)


def _begins(told: int, heard: int) -> bool:
    """Pass on what it says until it has begun, or has ended."""
    poll = select.poll()
    poll.register(told, select.POLLIN)
    poll.register(heard, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if heard in ready:
            if text := os.read(heard, _CHUNK):
                os.write(_STDERR, text)
            else:
                poll.unregister(heard)
        elif told in ready:
            return bool(os.read(told, 1))


def _ended(child: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _be_in_background(
    tell: int, say: int, function: Callable[[Callable[[], None]], int]
) -> NoReturn:
    def begun() -> None:
        # Nobody listens any more, or soon.
        _lead_nowhere(_STDERR)
        with suppress(BrokenPipeError):
            os.write(tell, b"!")
        os.close(tell)

    def body() -> int:
        os.setsid()
        os.chdir("/")
        os.dup2(say, _STDERR)
        _lead_nowhere(_STDIN)
        _lead_nowhere(_STDOUT)
        _close_all_but({_STDIN, _STDOUT, _STDERR, tell})
        return function(begun)

    live(body)


def _lead_nowhere(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _close_all_but(kept: set[int]) -> None:
    """What a shell had open (a lock, a pipe that somebody reads to its end) is none of ours."""
    for name in os.listdir(Path("/proc/self/fd")):
        if int(name) not in kept:
            # The one that lists them is gone by now.
            with suppress(OSError):
                os.close(int(name))
