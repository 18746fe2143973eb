"""Many inferences at once, answered in order, read ahead only as far as needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from .progress import Progress

S = TypeVar("S")
T = TypeVar("T")

# How many items are in hand for each that is being sent: one slow answer at the head must not idle the others.
_AHEAD = 2


def in_order(call: Callable[[S], T], items: Iterable[S], *, concurrency: int, progress: Progress) -> Iterator[T]:
    """Yields `call(item)` for each item, in order, `concurrency` calls at a time in threads of its own.

    Takes at most 2 * `concurrency` items ahead of the consumer. When the consumer stops, or a call raises, no more are
    begun.
    """
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="triton-client")
    try:
        with progress:
            pending: deque[Future[T]] = deque()
            for item in items:
                pending.append(pool.submit(call, item))
                while pending and (len(pending) >= _AHEAD * concurrency or pending[0].done()):
                    yield pending.popleft().result()
                    progress.step()
            while pending:
                yield pending.popleft().result()
                progress.step()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
                while pending and (len(pending) >= _AHEAD * concurrency or pending[0].done()):
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
