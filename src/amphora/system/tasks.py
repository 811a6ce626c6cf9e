"""Tasks that fail together with one error, and coroutines that are not cut in the middle.

What a thread does cannot be stopped from outside, and what cleans up must not be. Both
are waited for, and a cancellation takes effect after that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(coroutine: Coroutine[object, object, T]) -> T:
    """Await all of it, however often this task is cancelled meanwhile.

    If it was, raises CancelledError in place of the result.
    """
    task = asyncio.ensure_future(coroutine)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # Seen, so that asyncio does not report it as forgotten.
    raise cancellation


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As asyncio.to_thread, but the function has always returned when this does.

    So nothing is unmounted or removed while a thread still works on it.
    """
    return await to_the_end(asyncio.to_thread(function, *args, **kwargs))


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks: what fails first ends all others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        error: BaseException = failures
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
