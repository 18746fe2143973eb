"""Whether a failed attempt is repeated: by code and message, budget, deadline and what the call is."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import (
    Breaker,
    Cancellation,
    CancelledCallError,
    CircuitOpenError,
    Client,
    ClientError,
    DeniedError,
    Hedge,
    InvalidRequestError,
    ModelError,
    NotFoundError,
    OverloadedError,
    Retry,
    SequenceLostError,
    Timeout,
    UnavailableError,
)
from clients.messages import Code, Fault, InferRequest
from clients.retry import RULES, Budget, Verdict, judge, may_repeat, pause_before
from clients.testing import FakeModel, FakeTransport

IDENTITY = FakeModel(
    inputs={"x": ("FP32", (-1, 1))},
    outputs={"y": ("FP32", (-1, 1))},
    max_batch_size=8,
    answer=lambda inputs: {"y": inputs["x"]},
)
X = {"x": np.ones((1, 1), np.float32)}
QUICK = Retry(backoff=0.001, max_backoff=0.002)
LOST = Fault(Code.CONNECTION_LOST, "reset")
FULL = Fault(Code.UNAVAILABLE, "Exceeds maximum queue size")
REFUSED = Fault(Code.NOT_CONNECTED, "Connection refused")


def a_client(**options: object) -> tuple[Client, FakeTransport]:
    transport = FakeTransport({"m": IDENTITY})
    return Client("grpc://fake", transport=transport, **{"retry": QUICK, **options}), transport


def sent(transport: FakeTransport) -> int:
    return sum(isinstance(message, InferRequest) for message in transport.requests)


# The texts are what Triton 2.51 says.
TEXTS = [
    (Code.UNAVAILABLE, "This protocol is restricted, expecting header 'triton-grpc-protocol-k'", False, DeniedError),
    (Code.PERMISSION_DENIED, "This API is restricted, expecting header 'k'", False, DeniedError),
    (Code.UNAVAILABLE, "explicit model load / unload is not allowed if polling is enabled", False, DeniedError),
    (Code.UNAVAILABLE, "[request id: <id_unknown>] Exceeds maximum queue size", True, OverloadedError),
    (Code.UNAVAILABLE, "Request timeout expired", True, OverloadedError),
    (Code.UNAVAILABLE, "Server is stopping, scheduler for model has stopped", True, UnavailableError),
    (Code.UNAVAILABLE, "GRPC server is shutting down and has stopped accepting new requests", True, UnavailableError),
    (Code.NOT_FOUND, "Request for unknown model: 'm' has no available versions", True, NotFoundError),
    (Code.NOT_FOUND, "Request for unknown model: 'm' is not found", False, NotFoundError),
    (Code.INTERNAL, "Stub process 'm_0' is not healthy.", True, UnavailableError),
    (Code.INTERNAL, "Unable to parse 'data': attempt to access JSON non-array", False, InvalidRequestError),
    (Code.INTERNAL, "failed to parse the request JSON buffer", False, InvalidRequestError),
    (Code.INTERNAL, "Failed to process the request(s), message: ValueError", False, ModelError),
    (Code.INVALID_ARGUMENT, "inference request batch-size must be <= 8 for 'm'", False, InvalidRequestError),
    (Code.UNIMPLEMENTED, "ModelInfer RPC doesn't support models with decoupled transaction policy", False, ClientError),
    (Code.NOT_CONNECTED, "Connection refused", True, UnavailableError),
    (Code.CONNECTION_LOST, "reset", True, UnavailableError),
]


@pytest.mark.parametrize(("code", "message", "repeated", "error"), TEXTS)
def test_each_text_of_the_server(code: Code, message: str, repeated: bool, error: type[ClientError]) -> None:
    client, transport = a_client()
    transport.fail(*[Fault(code, message)] * 2)
    if repeated:
        assert client.infer("m", X).attempts == 3
        return
    with pytest.raises(error) as caught:
        client.infer("m", X)
    assert sent(transport) == 1
    assert not caught.value.retryable
    assert message.partition("'")[0].strip() in str(caught.value)


@given(st.sampled_from(Code), st.text())
def test_every_fault_has_a_rule(code: Code, message: str) -> None:
    assert judge(Fault(code, message)) in RULES


def test_what_may_have_been_executed_is_repeated_only_if_idempotent() -> None:
    for rule in RULES:
        assert may_repeat(rule, idempotent=False) == (rule.verdict is Verdict.NOT_EXECUTED)
        assert may_repeat(rule, idempotent=True) == (rule.verdict is not Verdict.NEVER)
    client, transport = a_client()
    transport.fail(LOST)
    with pytest.raises(UnavailableError):
        client.infer("m", X, idempotent=False)
    transport.fail(FULL)
    assert client.infer("m", X, idempotent=False).attempts == 2


def test_an_administrative_call_is_not_repeated_after_its_bytes_were_sent() -> None:
    class Lost(FakeTransport):
        def send(self, message: object, exchange: object) -> object:
            self.requests.append(message)
            raise LOST

    transport = Lost({"m": IDENTITY})
    with pytest.raises(UnavailableError):
        Client("grpc://fake", transport=transport, retry=QUICK).load("m")
    assert len(transport.requests) == 1


def test_a_stream_is_never_sent_twice() -> None:
    client, transport = a_client()
    for fault, error in ((LOST, UnavailableError), (FULL, OverloadedError), (REFUSED, UnavailableError)):
        transport.fail(fault)
        with pytest.raises(error):
            list(client.stream("m", X))
    assert [float(answer["y"][0, 0]) for answer in client.stream("m", X)] == [1.0]
    assert sent(transport) == 4
    counts = client.counts()
    assert (counts.calls, counts.attempts, counts.failures, counts.retries) == (4, 4, 3, 0)


def test_a_sequence_is_never_sent_twice() -> None:
    client, transport = a_client()
    for fault, error in ((LOST, SequenceLostError), (FULL, SequenceLostError), (REFUSED, SequenceLostError)):
        transport.fail(fault)
        with client.sequence("m") as sequence, pytest.raises(error):
            sequence.infer(X)
    assert (sent(transport), client.counts().retries) == (3, 0)


@pytest.mark.parametrize(("url", "told"), [("http://a", True), ("grpc://a", False)])
def test_who_cancels_is_told_what_the_server_may_still_do(url: str, told: bool) -> None:
    cancellation = Cancellation()

    class Cancelled(FakeTransport):
        def send(self, message: object, exchange: object) -> object:
            if isinstance(message, InferRequest):
                cancellation.cancel()
                raise Fault(Code.CANCELLED, "cancelled by the caller")
            return FakeTransport.send(self, message, exchange)

    client = Client(url, transport=Cancelled({"m": IDENTITY}))
    for call in (
        lambda: client.infer("m", X, cancellation=cancellation),
        lambda: list(client.stream("m", X, cancellation=cancellation)),
    ):
        with pytest.raises(CancelledCallError) as caught:
            call()
        assert ("over HTTP the server may still execute" in str(caught.value)) == told
        assert not caught.value.retryable


def test_three_attempts_and_no_more() -> None:
    client, transport = a_client()
    client.infer("m", X)
    transport.fail(*[LOST] * 5)
    with pytest.raises(UnavailableError) as caught:
        client.infer("m", X)
    assert (caught.value.attempt, caught.value.retryable, caught.value.model) == (3, True, "m")
    assert sent(transport) == 4
    assert client.counts().retries == 2


@given(st.integers(2, 12), st.floats(0, 1, exclude_max=True))
def test_full_jitter_stays_below_its_bound(attempt: int, chance: float) -> None:
    retry = Retry()
    assert 0 <= pause_before(attempt, retry, chance) <= min(retry.max_backoff, retry.backoff * 2 ** (attempt - 2))


@given(st.lists(st.booleans(), max_size=400))
def test_retries_never_exceed_the_reserve_and_a_tenth_of_the_successes(outcomes: list[bool]) -> None:
    budget = Budget(rate=0.1, reserve=2.0)
    retries = successes = 0
    for success in outcomes:
        if success:
            budget.earn()
            successes += 1
        else:
            retries += budget.spend()
    assert retries <= 2 + 0.1 * successes + 1e-6


def test_ten_successes_earn_one_retry() -> None:
    budget = Budget(rate=0.1, reserve=0.0)
    assert not budget.spend()
    for _ in range(10):
        budget.earn()
    assert budget.spend()
    assert not budget.spend()


def test_the_budget_bounds_what_a_dead_server_gets() -> None:
    client, transport = a_client()
    client.infer("m", X)
    transport.fail(*[LOST] * 1000)
    for _ in range(100):
        with pytest.raises(UnavailableError):
            client.infer("m", X)
    assert sent(transport) - 1 <= 103
    assert client.counts().unbudgeted >= 98


def test_no_retry_begins_after_the_deadline() -> None:
    client, transport = a_client(retry=Retry(backoff=60.0, max_backoff=60.0))
    transport.fail(LOST)
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        client.infer("m", X, timeout=0.05)
    assert time.monotonic() - began < 30


def test_rejections_are_counted() -> None:
    client, transport = a_client()
    transport.fail(FULL)
    client.infer("m", X)
    assert client.counts().rejections == 1


def test_the_breaker_opens_and_lets_one_call_try_again() -> None:
    client, transport = a_client(breaker=Breaker(failures=2, open_for=1.0), retry=Retry(attempts=1))
    client.infer("m", X)
    transport.fail(LOST, LOST)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            client.infer("m", X)
    before = sent(transport)
    with pytest.raises(CircuitOpenError):
        client.infer("m", X)
    assert sent(transport) == before
    time.sleep(1.1)
    assert client.infer("m", X).attempts == 1


def test_a_refusal_by_the_server_does_not_open_the_breaker() -> None:
    client, transport = a_client(breaker=Breaker(failures=1), retry=Retry(attempts=1))
    for fault in (FULL, Fault(Code.INVALID_ARGUMENT, "no"), Fault(Code.INTERNAL, "failed")):
        transport.fail(fault)
        with pytest.raises(ClientError):
            client.infer("m", X)
    client.infer("m", X)


def test_moving_to_a_server_in_good_standing_is_free() -> None:
    transport = FakeTransport({"m": IDENTITY})
    client = Client(["grpc://a", "grpc://b"], transport=transport, retry=Retry(reserve=0.0, budget=0.0))
    transport.fail(REFUSED)
    assert client.infer("m", X).attempts == 2
    assert client.counts().ejections == 1
    # The other is the last one standing: a second refusal is not free.
    transport.fail(REFUSED)
    with pytest.raises(UnavailableError):
        client.infer("m", X)


def test_a_slow_request_is_hedged_and_the_first_answer_wins() -> None:
    class SlowFirst(FakeTransport):
        def send(self, message: object, exchange: object) -> object:
            first = isinstance(message, InferRequest) and sent(self) == 0
            reply = FakeTransport.send(self, message, exchange)
            if first:
                exchange.cancellation.wait(60.0)
                raise Fault(Code.CANCELLED, "cancelled")
            return reply

    transport = SlowFirst({"m": IDENTITY})
    client = Client(["grpc://a", "grpc://b"], transport=transport, hedge=Hedge(after=0.02))
    began = time.monotonic()
    assert client.infer("m", X)["y"].tolist() == [[1.0]]
    assert time.monotonic() - began < 30
    assert client.counts().hedges == 1
    client.close()


def test_hedges_stay_within_their_budget() -> None:
    class Slow(FakeTransport):
        def send(self, message: object, exchange: object) -> object:
            if isinstance(message, InferRequest):
                time.sleep(0.01)
            return FakeTransport.send(self, message, exchange)

    transport = Slow({"m": IDENTITY})
    with Client("grpc://a", transport=transport, hedge=Hedge(after=0.001, budget=0.1)) as client:
        for _ in range(40):
            client.infer("m", X)
    assert 1 <= client.counts().hedges <= 1 + 4


@pytest.mark.parametrize("options", [{"attempts": 0}, {"backoff": -1}, {"budget": -0.1}])
def test_a_retry_without_meaning_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Retry(**options)


@pytest.mark.parametrize("options", [{"call": 0}, {"call": float("inf")}, {"connect": -1}, {"attempt": 0}])
def test_a_timeout_without_meaning_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Timeout(**options)
