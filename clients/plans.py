"""A call from its arguments to its answer, as a plan that does no I/O. Read this to know what the client does.

A plan is a generator: it yields what is to be done next (an attempt, a pause), is sent the outcome, and returns the
result or raises a `ClientError`. `client.py` carries plans out with blocking calls, `async_client.py` with `await`:
so deadlines, retries, replicas and checks are written once, here and in `attempts.py`.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack, cast

from .answer import Answer, Timing
from .attempts import Attempts
from .codec import decode
from .errors import (
    ClientError,
    DeadlineError,
    DeniedError,
    InvalidRequestError,
    ModelError,
    ProtocolError,
    SequenceLostError,
    UnavailableError,
)
from .messages import (
    Action,
    Code,
    ControlReply,
    ControlRequest,
    Exchange,
    Fault,
    Headers,
    InferReply,
    InferRequest,
    Parameter,
)
from .metadata import ModelDescription, describe, model_metadata
from .preparation import prepare
from .settings import checked_headers
from .steps import Options, Plan, RequestChoices, Sent, Terms
from .telemetry import find_telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .messages import Cancellation
    from .regions import Regions
    from .telemetry import Span

# A refusal against a signature older than this is checked against a fresh one: the model may have been replaced.
_STALE_AFTER_SECONDS = 1.0

# The signature of every model, for a client that does not check.
_UNKNOWABLE: tuple[float, ModelDescription | None] = (0.0, None)


@dataclass(frozen=True, slots=True)
class StreamCall:
    """A stream that is ready to be opened.

    Attributes:
        replica: the server's number.
        request: what to send.
        exchange: on what terms.
        prepared: seconds that its checks took.
        span: traces it.
    """

    replica: int
    request: InferRequest
    exchange: Exchange
    prepared: float
    span: Span | None


@dataclass(slots=True)
class SequenceState:
    """Where a sequence stands.

    Attributes:
        model: the stateful model.
        version: its version, or "".
        id: the correlation id.
        replica: the server that holds the model's state; None before the first request.
        ended: whether the last request was answered.
        lost: whether the state is gone, or no longer known.
    """

    model: str
    version: str
    id: int | str
    replica: int | None = None
    ended: bool = False
    lost: bool = False


def new_sequence_id() -> int:
    """A correlation id that no other client will choose."""
    return secrets.randbits(63) or 1


class Plans:
    """The plans of one client."""

    def __init__(self, endpoints: Sequence[str], options: Options) -> None:
        self.endpoints = tuple(endpoints)
        self.attempts = Attempts(endpoints, options)
        self._options = options
        self._descriptions: dict[tuple[str, str], tuple[float, ModelDescription | None]] = {}
        self._regions: Regions | None = None
        if options.shared_memory is not None:
            from .regions import Regions  # noqa: PLC0415 - imports multiprocessing

            self._regions = Regions(options.shared_memory, self.attempts)

    # -- inference ---------------------------------------------------------------------------------------------------

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        outputs: Sequence[str] | None = None,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter] | None = None,
        priority: int = 0,
        classes: Mapping[str, int] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
        cancellation: Cancellation | None = None,
    ) -> Plan[Answer]:
        """One inference: check, encode, send, decode."""
        began = time.monotonic()
        options = self._options
        deadline = began + (options.timeout.call if timeout is None else timeout)
        terms = Terms(deadline, options.retry.attempts, idempotent, None, self._headers(headers), cancellation)

        def ready(description: ModelDescription | None) -> InferRequest:
            return prepare(
                model,
                inputs,
                description=description,
                version=version,
                request_id=request_id,
                outputs=outputs,
                classes=classes,
                parameters=parameters,
                priority=priority,
                allow_nan=options.allow_nan,
            )

        prepared = yield from self._prepared(model, version, ready, terms)
        return (yield from self._answered(*prepared, terms, began))

    def _prepared(
        self,
        model: str,
        version: str,
        ready: Callable[[ModelDescription | None], InferRequest],
        terms: Terms,
    ) -> Plan[tuple[InferRequest, ModelDescription | None]]:
        """The checked and encoded request, and what it was checked against."""
        known = self._descriptions.get((model, version)) if self._options.validate else _UNKNOWABLE
        if known is None:
            known = yield from self._described(model, version, terms)
        described_at, description = known
        try:
            return ready(description), description
        except InvalidRequestError:
            if description is None or time.monotonic() - described_at < _STALE_AFTER_SECONDS:
                raise
        _, description = yield from self._described(model, version, terms)
        return ready(description), description

    def _described(self, model: str, version: str, terms: Terms) -> Plan[tuple[float, ModelDescription | None]]:
        """Asks for the model's signature and keeps it (calls that begin together may each ask)."""
        message = ControlRequest(action=Action.MODEL_METADATA, model=model, version=version)
        sent = yield from self.attempts.send(message, terms)
        metadata = model_metadata(cast("ControlReply", sent.reply))
        config: ControlReply | None = None
        try:
            message = ControlRequest(action=Action.MODEL_CONFIG, model=model, version=version)
            sent = yield from self.attempts.send(message, terms)
            config = cast("ControlReply", sent.reply)
        except DeniedError:
            # A careful server keeps its configuration to administrators; the signature is enough for most checks.
            pass
        known = (time.monotonic(), describe(metadata, config))
        self._descriptions[model, version] = known
        return known

    def _answered(
        self, request: InferRequest, description: ModelDescription | None, terms: Terms, began: float
    ) -> Plan[Answer]:
        prepared = time.monotonic()
        span, headers = self._traced(request, terms.headers)
        if span is not None:
            terms = terms._replace(headers=headers)
        try:
            if self._regions is None:
                sent = yield from self.attempts.send(request, terms)
            else:
                sent = yield from self._regions.send(request, description, terms)
            answer = self._answer(sent, request, began=began, prepared=prepared)
        except ClientError as error:
            self.attempts.counters.call_ended(error.attempt, failed=True)
            if isinstance(error, InvalidRequestError):
                self._descriptions.pop((request.model, request.version), None)
            if span is not None:
                span.failed(error)
            raise
        except BaseException as interruption:
            if span is not None:
                span.interrupted(interruption, "")
            raise
        self.attempts.counters.call_ended(sent.attempts, failed=False)
        if span is not None:
            span.succeeded(answer.endpoint, answer.attempts)
        return answer

    def _traced(self, request: InferRequest, headers: Headers) -> tuple[Span | None, Headers]:
        """A span for `request`, if anyone would receive it, and the headers with its context."""
        telemetry = find_telemetry()
        if telemetry is None:
            return None, headers
        span, context = telemetry.begin(request, self.endpoints)
        return span, Headers((*headers, *context))

    def _answer(self, sent: Sent, request: InferRequest, *, began: float, prepared: float) -> Answer:
        received = time.monotonic()
        reply = cast("InferReply", sent.reply)
        arrays = {}
        for tensor in reply.outputs:
            try:
                arrays[tensor.name] = decode(cast("bytes", tensor.content), tensor.datatype, tensor.shape)
            except ValueError as error:
                raise self.attempts.error(
                    ProtocolError,
                    f"output {tensor.name!r} cannot be read: {error}",
                    request,
                    sent.replica,
                    sent.attempts,
                ) from None
        ended = time.monotonic()
        return Answer(
            arrays=arrays,
            model=reply.model,
            version=reply.version,
            request_id=reply.request_id,
            endpoint=self.endpoints[sent.replica],
            attempts=sent.attempts,
            timing=Timing(ended - began, prepared - began, sent.seconds, ended - received),
            parameters=reply.parameters,
        )

    # -- sequences and streams: their state lives in one server, so nothing is sent twice ---------------------------

    def sequence_step(
        self,
        state: SequenceState,
        inputs: Mapping[str, Any],
        *,
        last: bool,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **choices: Unpack[RequestChoices],
    ) -> Plan[Answer]:
        """The next request of a sequence."""
        began = time.monotonic()
        if state.ended or state.lost:
            raise SequenceLostError(
                "the sequence is over" if state.ended else "the sequence's state is lost",
                where=state.model,
                hint="begin a new sequence",
                model=state.model,
                version=state.version,
            )
        first = state.replica is None
        replica = self.attempts.replicas.pick() or 0 if state.replica is None else state.replica
        terms = Terms(
            deadline=began + (self._options.timeout.call if timeout is None else timeout),
            idempotent=False,
            attempts=1,
            replica=replica,
            headers=self._headers(headers),
        )

        def ready(description: ModelDescription | None) -> InferRequest:
            return prepare(
                state.model,
                inputs,
                description=description,
                version=state.version,
                allow_nan=self._options.allow_nan,
                **choices,
            )

        request, description = yield from self._prepared(state.model, state.version, ready, terms)
        marks: dict[str, Parameter] = {"sequence_id": state.id, "sequence_start": first, "sequence_end": last}
        request = request._replace(parameters={**request.parameters, **marks})
        try:
            answer = yield from self._answered(request, description, terms, began)
        except UnavailableError as error:
            state.lost = True
            raise SequenceLostError(
                "the sequence's server failed, and its state with it",
                got=str(error),
                hint="begin a new sequence",
                model=state.model,
                version=state.version,
                endpoint=error.endpoint,
                attempt=error.attempt,
            ) from None
        except (DeadlineError, ModelError):
            # How far the model came with this request is not known.
            state.lost = True
            raise
        state.replica, state.ended = replica, last
        return answer

    def stream_call(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        cancellation: Cancellation | None = None,
        **choices: Unpack[RequestChoices],
    ) -> Plan[StreamCall]:
        """Checks and encodes the request of a stream, and chooses its server."""
        began = time.monotonic()
        terms = Terms(
            deadline=began + self._options.timeout.call,
            attempts=self._options.retry.attempts,
            headers=self._headers(headers),
            cancellation=cancellation,
        )

        def ready(description: ModelDescription | None) -> InferRequest:
            return prepare(
                model,
                inputs,
                description=description,
                version=version,
                allow_nan=self._options.allow_nan,
                **choices,
            )

        request, _ = yield from self._prepared(model, version, ready, terms)
        self.attempts.check_open(request)
        span, sent_headers = self._traced(request, terms.headers)
        exchange = Exchange(
            timeout=self._options.timeout.stream if timeout is None else timeout,
            headers=sent_headers,
            compression=self._options.compression,
            cancellation=cancellation,
        )
        replica = self.attempts.replicas.pick() or 0
        return StreamCall(replica, request, exchange, time.monotonic() - began, span)

    @contextmanager
    def streaming(self, call: StreamCall) -> Iterator[None]:
        """Around the answers of a stream: counts and traces it, and tells a fault as the caller is to see it.

        Raises:
            ClientError: the stream failed.
        """
        endpoint = self.endpoints[call.replica]
        failed = True
        try:
            yield
            failed = False
            if call.span is not None:
                call.span.succeeded(endpoint, 1)
        except Fault as fault:
            cancellation = call.exchange.cancellation
            if fault.code is Code.CANCELLED and cancellation is not None and cancellation.cancelled:
                error = self.attempts.cancelled(call.request, call.replica, 1)
            else:
                error = self.attempts.failure(fault, call.request, call.replica, 1)
            if call.span is not None:
                call.span.failed(error)
            raise error from None
        except BaseException as interruption:
            # A stream that its consumer closes early has not failed.
            failed = not isinstance(interruption, GeneratorExit)
            if call.span is not None:
                call.span.interrupted(interruption, endpoint)
            raise
        finally:
            self.attempts.counters.call_ended(1, failed=failed)

    def stream_answer(self, call: StreamCall, reply: InferReply, began: float) -> Answer:
        """One answer of a stream; its timing counts from the moment `began` when the stream was opened."""
        now = time.monotonic()
        sent = Sent(reply, call.replica, 1, now - began)
        return self._answer(sent, call.request, began=began - call.prepared, prepared=began)

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
    ) -> Plan[ControlReply]:
        """One call that is no inference."""
        terms = Terms(
            deadline=time.monotonic() + (self._options.timeout.call if timeout is None else timeout),
            idempotent=idempotent,
            attempts=self._options.retry.attempts if attempts is None else attempts,
            headers=self._headers(None),
        )
        message = ControlRequest(action=action, model=model, version=version, body=body or {})
        sent = yield from self.attempts.send(message, terms)
        return cast("ControlReply", sent.reply)

    def administer(
        self, action: Action, model: str, body: Mapping[str, Any], timeout: float | None
    ) -> Plan[ControlReply]:
        """Loads or unloads a model: with a time of its own, and never sent again once its bytes were sent."""
        return self.control(
            action,
            model=model,
            body=body,
            timeout=self._options.timeout.load if timeout is None else timeout,
            idempotent=False,
        )

    def health(self, action: Action, *, model: str = "", version: str = "") -> Plan[bool]:
        """Asks once, without retries; a server that cannot be reached is not healthy."""
        try:
            reply = yield from self.control(action, model=model, version=version, attempts=1)
        except (UnavailableError, DeadlineError):
            return False
        return bool(reply["ready"])

    def close(self) -> Plan[None]:
        """Has the server let go of what it shares with this client; the connections are the driver's to close."""
        if self._regions is not None:
            terms = Terms(
                deadline=time.monotonic() + self._options.timeout.call, attempts=1, headers=self._headers(None)
            )
            yield from self._regions.close(terms)
        self.attempts.closed = True

    def _headers(self, own: Mapping[str, str] | None) -> Headers:
        headers = self._options.headers
        token = self._options.token
        if token is not None:
            bearer = token if isinstance(token, str) else token()
            headers = Headers((*headers, *checked_headers({"authorization": f"Bearer {bearer}"})))
        return Headers((*headers, *checked_headers(own))) if own else headers
