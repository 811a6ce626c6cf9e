"""Many transfers at once, but never more than agreed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from amphora.system.tasks import together

Item = TypeVar("Item")


async def for_each(
    items: Iterable[Item], work: Callable[[Item], Awaitable[None]], *, limit: int
) -> None:
    """Await `work(item)` for all items, at most `limit` at a time.

    The first failure cancels the rest and is raised as it is, not in a group.
    """
    slots = asyncio.Semaphore(limit)

    async def one(item: Item) -> None:
        async with slots:
            await work(item)

    async with together() as group:
        for item in items:
            group.create_task(one(item))
