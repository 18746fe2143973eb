"""`many.py` under asyncio, with tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, TypeVar

from .many import AHEAD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .progress import Progress

S = TypeVar("S")
T = TypeVar("T")


async def in_order_async(
    call: Callable[[S], Awaitable[T]],
    items: Iterable[S] | AsyncIterable[S],
    *,
    concurrency: int,
    progress: Progress,
) -> AsyncIterator[T]:
    """`in_order` with tasks instead of threads; when the consumer stops, those in flight are cancelled."""
    free = asyncio.Semaphore(concurrency)

    async def limited(item: S) -> T:
        async with free:
            return await call(item)

    pending: deque[asyncio.Task[T]] = deque()
    try:
        with progress:
            async for item in _each(items):
                pending.append(asyncio.create_task(limited(item)))
                while pending and (len(pending) >= AHEAD * concurrency or pending[0].done()):
                    yield await pending.popleft()
                    progress.step()
            while pending:
                yield await pending.popleft()
                progress.step()
    finally:
        for task in pending:
            task.cancel()
        for task in pending:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _each(items: Iterable[S] | AsyncIterable[S]) -> AsyncIterator[S]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
