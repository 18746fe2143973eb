"""Sends a slow request a second time and takes the first answer, with threads."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from .messages import Cancellation, Fault
from .steps import Attempt, Hedged, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .transports import Transport


def send_hedged(step: Attempt, transports: Sequence[Transport], pool: ThreadPoolExecutor) -> Hedged:
    """Makes the attempt `step`, which has a backup; the slower of two requests is cancelled.

    Args:
        step: what to send.
        transports: the servers, by number.
        pool: has a thread for each request in flight.
    """
    backup = step.backup
    assert backup is not None  # noqa: S101 - the caller looks
    cancellations: list[Cancellation] = []
    outer = step.exchange.cancellation

    def submit(replica: int, timeout: float) -> Future[Reply | Fault]:
        cancellation = Cancellation()
        cancellations.append(cancellation)
        if outer is not None:
            outer.attach(cancellation.cancel)
        exchange = step.exchange._replace(timeout=timeout, cancellation=cancellation)
        return pool.submit(_outcome, transports[replica], step._replace(exchange=exchange))

    try:
        futures = {submit(step.replica, step.exchange.timeout): step.replica}
        left = step.exchange.timeout - backup.after
        wait(futures, timeout=backup.after)
        (first,) = futures
        if not first.done() and left > 0 and backup.allowed():
            futures[submit(backup.replica, left)] = backup.replica
        pending = set(futures)
        while True:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            answered = next((future for future in done if not isinstance(future.result(), Fault)), None)
            if answered is not None or not pending:
                chosen = answered or next(iter(done))
                return Hedged(chosen.result(), futures[chosen], len(futures) > 1)
    finally:
        for cancellation in cancellations:
            if outer is not None:
                outer.detach(cancellation.cancel)
            cancellation.cancel()


def _outcome(transport: Transport, step: Attempt) -> Reply | Fault:
    try:
        return transport.send(step.message, step.exchange)
    except Fault as fault:
        return fault
