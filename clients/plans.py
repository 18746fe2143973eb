"""A call from its first attempt to its answer, as a plan that does no I/O. Read this to know what the client does.

A plan is a generator: it yields what is to be done next (an attempt, a pause), is sent the outcome, and returns the
result or raises a `ClientError`. `client.py` carries plans out with blocking calls, `async_client.py` with `await`:
so deadlines, retries, replicas and checks are written once, here.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, cast

from .answer import Answer, Timing
from .codec import decode
from .counts import Counters
from .errors import (
    CancelledCallError,
    CircuitOpenError,
    ClientError,
    DeadlineError,
    DeniedError,
    InvalidRequestError,
    OverloadedError,
    ProtocolError,
    UnavailableError,
)
from .messages import (
    Action,
    Cancellation,
    Code,
    ControlReply,
    ControlRequest,
    Exchange,
    Fault,
    InferReply,
    InferRequest,
    Message,
    Parameter,
)
from .metadata import ModelDescription, describe, model_metadata
from .preparation import prepare
from .replicas import Replicas
from .retry import Budget, Rule, judge, may_repeat, pause_before

if TYPE_CHECKING:
    from .options import Breaker, Compression, Retry, Timeout, Token

T = TypeVar("T")

# A refusal against a signature older than this is checked against a fresh one: the model may have been replaced.
_STALE_AFTER = 1.0


class RequestChoices(TypedDict, total=False):
    """What a caller may choose of one request; `preparation.prepare` explains each."""

    version: str
    request_id: str
    outputs: Sequence[str] | None
    classes: Mapping[str, int] | None
    parameters: Mapping[str, Parameter] | None
    priority: int


class CallChoices(RequestChoices, total=False):
    """What a caller may choose of one call; `Client.infer` explains each."""

    timeout: float | None
    headers: Mapping[str, str] | None
    idempotent: bool
    cancellation: Cancellation | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send `message` to server number `replica`."""

    replica: int
    message: Message
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float
    cancellation: Cancellation | None


Plan = Generator[Attempt | Pause, "InferReply | ControlReply | Fault | None", T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that a client was made with, save its addresses and certificates."""

    timeout: Timeout
    retry: Retry
    breaker: Breaker | None
    headers: tuple[tuple[str, str], ...]
    token: Token | None
    compression: Compression | None
    validate: bool
    allow_nan: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The conditions of one call.

    Attributes:
        deadline: when it must have ended, by the plans' clock.
        idempotent: whether executing it twice does no harm.
        attempts: most attempts.
        replica: the only server that may take it; None is any.
        headers: its own headers, in addition to the client's.
        cancellation: ends it early.
    """

    deadline: float
    idempotent: bool = True
    attempts: int
    replica: int | None = None
    headers: Mapping[str, str] | None = None
    cancellation: Cancellation | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    """A reply and how it came."""

    reply: InferReply | ControlReply
    replica: int
    attempts: int
    seconds: float


class Plans:
    """The plans of one client, with the state that its calls share: standings, budget, signatures, counts."""

    def __init__(self, endpoints: Sequence[str], options: Options) -> None:
        self.endpoints = tuple(endpoints)
        self.options = options
        self.counters = Counters()
        self.clock = time.monotonic
        several = len(self.endpoints) > 1
        self.replicas = Replicas(len(self.endpoints), breaker=options.breaker, protect_last=several, clock=self.clock)
        self._budget = Budget(rate=options.retry.budget, reserve=options.retry.reserve)
        self._descriptions: dict[tuple[str, str], tuple[float, ModelDescription]] = {}

    # -- inference ---------------------------------------------------------------------------------------------------

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
        cancellation: Cancellation | None = None,
        **choices: Unpack[RequestChoices],
    ) -> Plan[Answer]:
        """One inference: check, encode, send, decode."""
        began = self.clock()
        terms = Terms(
            deadline=began + (self.options.timeout.call if timeout is None else timeout),
            idempotent=idempotent,
            attempts=self.options.retry.attempts,
            headers=headers,
            cancellation=cancellation,
        )
        request = yield from self._prepared(terms, model, inputs, **choices)
        prepared = self.clock()
        self.counters.add("calls")
        try:
            sent = yield from self._send(request, terms)
        except ClientError as error:
            self.counters.add("failures")
            if isinstance(error, InvalidRequestError):
                self._descriptions.pop((model, request.version), None)
            raise
        return self._answer(sent, request, began=began, prepared=prepared)

    def _prepared(
        self, terms: Terms, model: str, inputs: Mapping[str, Any], **choices: Unpack[RequestChoices]
    ) -> Plan[InferRequest]:
        """The checked and encoded request; see `preparation.prepare` for the choices."""
        version = choices.get("version", "")
        described_at, description = yield from self._description(model, version, terms)
        while True:
            try:
                return prepare(model, inputs, description=description, allow_nan=self.options.allow_nan, **choices)
            except InvalidRequestError:
                if description is None or self.clock() - described_at < _STALE_AFTER:
                    raise
            self._descriptions.pop((model, version), None)
            described_at, description = yield from self._description(model, version, terms)

    def _description(self, model: str, version: str, terms: Terms) -> Plan[tuple[float, ModelDescription | None]]:
        """The model's signature, asked for at its first use (calls that begin together may each ask)."""
        if not self.options.validate:
            return 0.0, None
        known = self._descriptions.get((model, version))
        if known is not None:
            return known
        sent = yield from self._send(ControlRequest(action=Action.MODEL_METADATA, model=model, version=version), terms)
        metadata = model_metadata(cast("ControlReply", sent.reply))
        try:
            sent = yield from self._send(
                ControlRequest(action=Action.MODEL_CONFIG, model=model, version=version), terms
            )
            config = cast("ControlReply", sent.reply)
        except DeniedError:
            # A careful server keeps its configuration to administrators; the signature is enough for most checks.
            config = None
        entry = (self.clock(), describe(metadata, config))
        self._descriptions[model, version] = entry
        return entry

    def _answer(self, sent: _Sent, request: InferRequest, *, began: float, prepared: float) -> Answer:
        received = self.clock()
        reply = cast("InferReply", sent.reply)
        arrays = {}
        for tensor in reply.outputs:
            try:
                arrays[tensor.name] = decode(cast("bytes", tensor.content), tensor.datatype, tensor.shape)
            except ValueError as error:
                raise ProtocolError(
                    f"output {tensor.name!r} cannot be read: {error}",
                    model=request.model,
                    version=request.version,
                    endpoint=self.endpoints[sent.replica],
                    attempt=sent.attempts,
                ) from None
        ended = self.clock()
        return Answer(
            arrays=arrays,
            model=reply.model,
            version=reply.version,
            request_id=reply.request_id,
            endpoint=self.endpoints[sent.replica],
            attempts=sent.attempts,
            timing=Timing(
                total=ended - began, prepare=prepared - began, exchange=sent.seconds, decode=ended - received
            ),
            parameters=reply.parameters,
        )

    # -- everything else ---------------------------------------------------------------------------------------------

    def control(
        self,
        action: Action,
        *,
        model: str = "",
        version: str = "",
        body: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        idempotent: bool = True,
        replica: int | None = None,
    ) -> Plan[ControlReply]:
        """One call that is no inference."""
        terms = Terms(
            deadline=self.clock() + (self.options.timeout.call if timeout is None else timeout),
            idempotent=idempotent,
            attempts=self.options.retry.attempts if attempts is None else attempts,
            replica=replica,
        )
        message = ControlRequest(action=action, model=model, version=version, body=body or {})
        sent = yield from self._send(message, terms)
        return cast("ControlReply", sent.reply)

    def administer(
        self, action: Action, model: str, body: Mapping[str, Any], timeout: float | None
    ) -> Plan[ControlReply]:
        """Loads or unloads a model: with a time of its own, and never sent twice once its bytes were sent."""
        return self.control(
            action,
            model=model,
            body=body,
            timeout=self.options.timeout.load if timeout is None else timeout,
            idempotent=False,
        )

    def health(self, action: Action, *, model: str = "", version: str = "") -> Plan[bool]:
        """Asks once, without retries; a server that cannot be reached is not healthy."""
        try:
            reply = yield from self.control(action, model=model, version=version, attempts=1)
        except (UnavailableError, DeadlineError):
            return False
        return bool(reply["ready"])

    # -- attempts ----------------------------------------------------------------------------------------------------

    def _send(self, message: Message, terms: Terms) -> Plan[_Sent]:
        """Attempts, until one succeeds or may not be repeated."""
        headers = self._headers(terms.headers)
        tried: list[int] = []
        while True:
            replica = self.replicas.pick(tried) if terms.replica is None else terms.replica
            if replica is None:
                raise CircuitOpenError(
                    "the server failed repeatedly a moment ago and is left alone for now",
                    model=message.model,
                    version=message.version,
                    endpoint=self.endpoints[0],
                    attempt=len(tried),
                    retryable=True,
                )
            tried.append(replica)
            outcome, seconds = yield from self._attempt(message, terms, replica, headers)
            if not isinstance(outcome, Fault):
                self.replicas.succeeded(replica)
                self._budget.earn()
                return _Sent(outcome, replica, len(tried), seconds)
            if outcome.code is Code.CANCELLED and terms.cancellation is not None and terms.cancellation.cancelled:
                raise CancelledCallError(
                    "the caller cancelled the call",
                    model=message.model,
                    version=message.version,
                    endpoint=self.endpoints[replica],
                    attempt=len(tried),
                )
            rule = judge(outcome)
            self._record(rule, replica)
            pause = self._pause(rule, terms, tried)
            if pause is None:
                raise self._error(outcome, rule, message, replica, len(tried))
            if isinstance(message, InferRequest):
                self.counters.add("retries")
            if pause:
                yield Pause(pause, terms.cancellation)

    def _attempt(
        self,
        message: Message,
        terms: Terms,
        replica: int,
        headers: tuple[tuple[str, str], ...],
    ) -> Plan[tuple[InferReply | ControlReply | Fault, float]]:
        began = self.clock()
        left = terms.deadline - began
        if left <= 0:
            self.replicas.released(replica)
            return Fault(Code.DEADLINE, "the deadline passed before the request was sent"), 0.0
        if isinstance(message, InferRequest):
            self.counters.add("attempts")
        exchange = Exchange(
            timeout=left if self.options.timeout.attempt is None else min(left, self.options.timeout.attempt),
            headers=headers,
            compression=self.options.compression,
            cancellation=terms.cancellation,
        )
        try:
            outcome = yield Attempt(replica, message, exchange)
        except BaseException:
            # The driver was interrupted or its task cancelled: that says nothing of the server.
            self.replicas.released(replica)
            raise
        return cast("InferReply | ControlReply | Fault", outcome), self.clock() - began

    def _record(self, rule: Rule, replica: int) -> None:
        """Notes what a failed attempt says of its server."""
        if rule.error is OverloadedError:
            self.counters.add("rejections")
        if not (rule.blames_server or rule.leaving):
            self.replicas.succeeded(replica)
        elif self.replicas.failed(replica, leaving=rule.leaving):
            self.counters.add("ejections")

    def _pause(self, rule: Rule, terms: Terms, tried: list[int]) -> float | None:
        """Seconds to wait before the call is repeated; None if it is not."""
        if len(tried) >= terms.attempts or not may_repeat(rule, idempotent=terms.idempotent):
            return None
        # To move a call to a server in good standing adds no load to a bad one: it is free, and needs no pause.
        overloaded = rule.error is OverloadedError
        if terms.replica is None and not overloaded and self.replicas.another(tried):
            return 0.0
        pause = pause_before(len(tried) + 1, self.options.retry, random.random())  # noqa: S311 - jitter, no secret
        if self.clock() + pause >= terms.deadline:
            return None
        if not self._budget.spend():
            self.counters.add("unbudgeted")
            return None
        return pause

    def _headers(self, own: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
        headers = self.options.headers
        token = self.options.token
        if token is not None:
            headers = (*headers, ("authorization", f"Bearer {token if isinstance(token, str) else token()}"))
        if own:
            headers = (*headers, *((name.lower(), value) for name, value in own.items()))
        return headers

    def _error(self, fault: Fault, rule: Rule, message: Message, replica: int, attempt: int) -> ClientError:
        """What the caller sees of the last failed attempt."""
        hint = rule.hint
        endpoint = self.endpoints[replica]
        if fault.code is Code.DEADLINE and isinstance(message, InferRequest) and endpoint.startswith("http"):
            hint = "over HTTP the server may still execute this request; over gRPC the deadline cancels it there"
        subject = f"model {message.model!r}" if message.model else "the call"
        return rule.error(
            f"{subject} failed: {fault.code.value}",
            got=fault.message,
            hint=hint,
            model=message.model,
            version=message.version,
            endpoint=endpoint,
            attempt=attempt,
            retryable=may_repeat(rule, idempotent=True),
        )
