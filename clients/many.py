"""Many inferences at once, with threads: answered in order, read ahead only as far as needed."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .progress import Progress

S = TypeVar("S")
T = TypeVar("T")

# How many items are in hand for each that is being sent: one slow answer at the head must not idle the others.
AHEAD = 2


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
                while pending and (len(pending) >= AHEAD * concurrency or pending[0].done()):
                    yield pending.popleft().result()
                    progress.step()
            while pending:
                yield pending.popleft().result()
                progress.step()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
