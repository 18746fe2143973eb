"""`hedging.py` under asyncio, with tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .messages import Fault
from .steps import Attempt, Hedged, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transports import AsyncTransport


async def send_hedged_async(step: Attempt, transports: Sequence[AsyncTransport]) -> Hedged:
    """Makes the attempt `step`, which has a backup; the slower of two requests is cancelled."""
    backup = step.backup
    assert backup is not None  # noqa: S101 - the caller looks

    def start(replica: int, timeout: float) -> asyncio.Task[Reply | Fault]:
        exchange = step.exchange._replace(timeout=timeout)
        return asyncio.create_task(_async_outcome(transports[replica], step._replace(exchange=exchange)))

    tasks = {start(step.replica, step.exchange.timeout): step.replica}
    try:
        left = step.exchange.timeout - backup.after
        done, pending = await asyncio.wait(tasks, timeout=backup.after)
        if not done and left > 0 and backup.allowed():
            tasks[start(backup.replica, left)] = backup.replica
        pending = set(tasks)
        while True:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            answered = next((task for task in done if not isinstance(task.result(), Fault)), None)
            if answered is not None or not pending:
                chosen = answered or next(iter(done))
                return Hedged(chosen.result(), tasks[chosen], len(tasks) > 1)
    finally:
        for task in tasks:
            task.cancel()


async def _async_outcome(transport: AsyncTransport, step: Attempt) -> Reply | Fault:
    try:
        return await transport.send(step.message, step.exchange)
    except Fault as fault:
        return fault
