"""Running a command's body in the worker, and its coroutines until it ends or is stopped."""

import asyncio
import functools
import signal
from collections.abc import Callable, Coroutine
from typing import ParamSpec, TypeVar

import click

from amphora.cli.guard import guarded

P = ParamSpec("P")
T = TypeVar("T")


def in_worker(function: Callable[P, object]) -> Callable[P, None]:
    """Have a command run as root of its own user, mount and PID namespaces.

    Everything it starts or mounts ends with it, however it ends.
    """

    @functools.wraps(function)
    def outside(*args: P.args, **kwargs: P.kwargs) -> None:
        raise click.exceptions.Exit(call_in_worker(lambda: function(*args, **kwargs)))

    return outside


def call_in_worker(function: Callable[[], object]) -> int:
    """The same for a part of a command; returns its exit status.

    What needs the caller's own rights outside must have been started before.
    """
    from amphora.system.namespace import run_inside

    return run_inside(lambda: guarded(function))


def run_async(coroutine: Coroutine[object, object, T]) -> T:
    """Run to the end; SIGINT, SIGTERM and SIGHUP cancel it, once, and let it clean up.

    Raises KeyboardInterrupt after that.
    """
    try:
        return asyncio.run(_cancelled_by_signals(coroutine))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _cancelled_by_signals(coroutine: Coroutine[object, object, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup(1) has SIGHUP ignored, and means it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, _cancel_once, task)
    return await task


def _cancel_once(task: asyncio.Task[T]) -> None:
    """A second Ctrl-C must not cut the cleaning-up short."""
    if not task.cancelling():
        task.cancel()
