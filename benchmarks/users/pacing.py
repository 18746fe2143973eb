"""How a user sends its requests: one after the other, or each when it is due."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import gevent
from gevent.pool import Pool

from benchmarks.records import Ending, Reason

if TYPE_CHECKING:
    from benchmarks.payloads import EncodedRequest
    from benchmarks.plan import Protocol
    from benchmarks.users.callers import Caller
    from benchmarks.users.load_run import LoadRun

_NEVER = float("nan")
_UNSENT = Ending(reason=Reason.UNSENT)


def send_one(run: LoadRun, caller: Caller, protocol: Protocol, *, intended: float | None = None) -> None:
    """Sends the next request now, or a whole sequence, and writes down how it ended.

    Without `intended`, it was due now. The further steps of a sequence are due when the answer before them has come;
    after a failure the rest of it is left out, since the server has lost the sequence's state or never had it.
    """
    length = run.plan.sequence_length
    if not length:
        _send(run, caller, protocol, run.next_request(), intended)
        return
    correlation = run.next_sequence()
    for step in range(length):
        request = run.next_request().in_sequence(correlation, start=step == 0, end=step == length - 1)
        if _send(run, caller, protocol, request, intended if step == 0 else None).reason is not Reason.ANSWERED:
            return


def _send(run: LoadRun, caller: Caller, protocol: Protocol, request: EncodedRequest, intended: float | None) -> Ending:
    sent = time.monotonic()
    ending = caller.call(request)
    run.ledger.write(
        intended=sent if intended is None else intended,
        sent=sent,
        done=time.monotonic(),
        protocol=protocol,
        ending=ending,
        model=request.number,
    )
    return ending


def send_when_due(run: LoadRun, caller: Caller, protocol: Protocol, *, places: int, worker: int, workers: int) -> None:
    """Sends each request of one source when it is due, whether or not earlier ones have been answered.

    With `places` requests unanswered the next one waits for a place. Its latency counts from when it was due, so
    a server that stalls shows in every request that it held up. Returns when all have ended, or the deadline after
    the end has passed; what then has not been sent is written down as unsent.
    """
    pool = Pool(places)
    give_up = run.ends_at + run.plan.deadline_seconds
    try:
        for due in run.starts(worker=worker, workers=workers):
            if (wait := due - time.monotonic()) > 0:
                gevent.sleep(wait)
            left = give_up - time.monotonic()
            if pool.wait_available(timeout=None if math.isinf(left) else max(0.0, left)):
                pool.spawn(send_one, run, caller, protocol, intended=due)
            else:
                run.ledger.write(
                    intended=due,
                    sent=_NEVER,
                    done=time.monotonic(),
                    protocol=protocol,
                    ending=_UNSENT,
                    model=run.next_request().number,
                )
        pool.join(timeout=run.plan.deadline_seconds)
    finally:
        # The greenlets use the caller's connection, which its owner closes next.
        pool.kill()
