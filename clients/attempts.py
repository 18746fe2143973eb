"""One message, sent until it succeeds or may not be sent again. No I/O: see `plans.py`."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, cast

from .counts import Counters
from .errors import (
    CancelledCallError,
    CircuitOpenError,
    ClientError,
    DeadlineError,
    InvalidRequestError,
    OverloadedError,
)
from .messages import Code, ControlRequest, Exchange, Fault, InferRequest, Message
from .replicas import Replicas
from .retry import Budget, Rule, judge, may_repeat, pause_before
from .steps import Attempt, Backup, Hedged, Options, Pause, Plan, Reply, Rest, Sent, Terms
from .telemetry import find_telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .errors import ClientError as Failure


class Attempts:
    """Sends the messages of one client; holds what its calls share: standings, budgets, counts."""

    def __init__(self, endpoints: Sequence[str], options: Options) -> None:
        self.endpoints = tuple(endpoints)
        self.counters = Counters()
        self.closed = False
        self.replicas = Replicas(
            len(self.endpoints),
            breaker=options.breaker,
            protect_last=len(self.endpoints) > 1,
            clock=time.monotonic,
        )
        self._options = options
        self._budget = Budget(rate=options.retry.budget, reserve=options.retry.reserve)
        hedge = options.hedge
        self._hedges = Budget(rate=hedge.budget, reserve=1.0) if hedge is not None else None

    def send(self, message: Message, terms: Terms) -> Plan[Sent]:
        """The reply to `message`.

        Raises:
            ClientError: the last attempt failed, and the call may not be repeated.
        """
        self.check_open(message)
        tried: list[int] = []
        hedged = self._hedges is not None and isinstance(message, InferRequest)
        longest = self._options.timeout.attempt
        while True:
            replica = self.replicas.pick(tried) if terms.replica is None else terms.replica
            if replica is None:
                raise self._circuit_open(message, len(tried))
            began = time.monotonic()
            left = terms.deadline - began
            outcome: Reply | Fault | Hedged
            if left <= 0:
                self.replicas.released(replica)
                raise self._too_late(message, replica, len(tried))
            tried.append(replica)
            timeout = left if longest is None or left < longest else longest
            exchange = Exchange(timeout, terms.headers, self._options.compression, terms.cancellation)
            try:
                outcome = cast(
                    "Reply | Fault | Hedged",
                    (yield Attempt(replica, message, exchange, self._backup(terms, replica) if hedged else None)),
                )
            except BaseException:
                # The driver was interrupted, or its task cancelled: that says nothing of the server.
                self.replicas.released(replica)
                raise
            if isinstance(outcome, Hedged):
                if outcome.doubled:
                    self.counters.add("attempts")
                    self._happened("hedges", message, replica)
                replica, outcome = outcome.replica, outcome.outcome
            if not isinstance(outcome, Fault):
                self.replicas.succeeded(replica)
                self._budget.earn()
                return Sent(outcome, replica, len(tried), time.monotonic() - began)
            if outcome.code is Code.CANCELLED and terms.cancellation is not None and terms.cancellation.cancelled:
                self.replicas.released(replica)
                raise self.cancelled(message, replica, len(tried))
            rule = judge(outcome)
            if self._record(rule, message, replica):
                yield Rest(replica)
            pause = self._pause(rule, terms, message, tried)
            if pause is None:
                raise self.failure(outcome, message, replica, len(tried))
            if pause:
                yield Pause(pause, terms.cancellation)

    def check_open(self, message: Message) -> None:
        """Refuses `message` if the client was closed.

        Raises:
            InvalidRequestError: it was.
        """
        if self.closed:
            raise InvalidRequestError("the client is closed", where=message.model or None, model=message.model)

    def _happened(self, event: str, message: Message, replica: int) -> None:
        self.counters.add(event)
        telemetry = find_telemetry()
        if telemetry is not None:
            telemetry.happened(event, message, self.endpoints[replica])

    def _backup(self, terms: Terms, replica: int) -> Backup | None:
        if self._hedges is None or not terms.idempotent or terms.replica is not None:
            return None
        self._hedges.earn()
        hedge = self._options.hedge
        assert hedge is not None  # noqa: S101 - there is a budget for it
        return Backup(self.replicas.backup(replica), hedge.after, self._hedges.spend)

    def _record(self, rule: Rule, message: Message, replica: int) -> bool:
        """Notes what a failed attempt says of its server; returns whether that is ejected now."""
        if rule.error is OverloadedError:
            self._happened("rejections", message, replica)
        if not (rule.blames_server or rule.leaving):
            self.replicas.succeeded(replica)
            return False
        ejected = self.replicas.failed(replica, leaving=rule.leaving)
        if ejected:
            self._happened("ejections", message, replica)
        return ejected

    def _pause(self, rule: Rule, terms: Terms, message: Message, tried: list[int]) -> float | None:
        """Seconds to wait before the call is repeated; None if it is not."""
        if len(tried) >= terms.attempts or not may_repeat(rule, idempotent=terms.idempotent):
            return None
        # To move a call to a server in good standing adds no load to a bad one: it is free, and needs no pause.
        moves = terms.replica is None and rule.error is not OverloadedError and self.replicas.another(tried)
        if moves:
            return 0.0 if time.monotonic() < terms.deadline else None
        pause = pause_before(len(tried) + 1, self._options.retry, random.random())  # noqa: S311 - jitter, no secret
        if time.monotonic() + pause >= terms.deadline:
            return None
        if not self._budget.spend():
            self._happened("unbudgeted", message, tried[-1])
            return None
        return pause

    # -- errors ------------------------------------------------------------------------------------------------------

    def failure(self, fault: Fault, message: Message, replica: int, attempt: int) -> Failure:
        """What the caller sees of the last failed attempt."""
        rule = judge(fault)
        hint = rule.hint
        if fault.code is Code.DEADLINE:
            hint = self._fate_over_http(message, replica, "the deadline") or hint
        return self.error(
            rule.error,
            fault.code.value,
            message,
            replica,
            attempt,
            got=fault.message,
            hint=hint,
            retryable=may_repeat(rule, idempotent=True),
        )

    def error(
        self,
        kind: type[ClientError],
        reason: str,
        message: Message,
        replica: int,
        attempt: int,
        *,
        got: str | None = None,
        hint: str | None = None,
        retryable: bool = False,
    ) -> Failure:
        """An error of a call to server number `replica`."""
        action = message.action.value.replace("_", " ") if isinstance(message, ControlRequest) else "infer"
        subject = f"{action} {message.model!r}" if message.model else action
        return kind(
            f"{subject} failed: {reason}",
            got=got,
            hint=hint,
            model=message.model,
            version=message.version,
            endpoint=self.endpoints[replica],
            attempt=attempt,
            retryable=retryable,
        )

    def _fate_over_http(self, message: Message, replica: int, ending: str) -> str | None:
        """What becomes of an inference that the client gives up; over gRPC the server drops it."""
        if not (isinstance(message, InferRequest) and self.endpoints[replica].startswith("http")):
            return None
        return f"over HTTP the server may still execute this request; over gRPC {ending} cancels it there"

    def cancelled(self, message: Message, replica: int, attempt: int) -> Failure:
        """What the caller sees of a call that it cancelled."""
        hint = self._fate_over_http(message, replica, "cancelling")
        return self.error(CancelledCallError, "the caller cancelled", message, replica, attempt, hint=hint)

    def _too_late(self, message: Message, replica: int, attempt: int) -> Failure:
        reason = "the deadline passed before the request was sent" + (" again" if attempt else "")
        return self.error(DeadlineError, reason, message, replica, attempt, retryable=True)

    def _circuit_open(self, message: Message, attempt: int) -> Failure:
        return self.error(
            CircuitOpenError,
            "not sent, because the server failed repeatedly a moment ago",
            message,
            0,
            attempt,
            retryable=True,
        )
