"""What a caller may choose: small frozen values, each with the default that suits a service."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Compression = Literal["gzip", "deflate"]
Memory = Literal["system", "cuda"]
Token = str | Callable[[], str]
"""A bearer token, or a function that returns the current one; it is asked once a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """How long a call may take, in seconds, all its attempts and pauses together.

    Attributes:
        call: every call but the two below.
        connect: to open one connection.
        stream: a whole stream of a decoupled model.
        load: loading or unloading a model.
        attempt: a single attempt of a call; None lets an attempt use what is left of `call`. Worth setting
            with several replicas, where a stuck one should not use up the whole call.
    """

    call: float = 5.0
    connect: float = 1.0
    stream: float = 60.0
    load: float = 60.0
    attempt: float | None = None

    def __post_init__(self) -> None:
        for name in ("call", "connect", "stream", "load", "attempt"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 < seconds < math.inf:
                raise ValueError(f"Timeout.{name} must be a finite number of seconds above 0, got {seconds!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a call is sent again.

    Attributes:
        attempts: most attempts of one call, the first included; 1 switches retries off.
        backoff: seconds; the pause before attempt n is uniform in [0, min(max_backoff, backoff * 2^(n-2))]
            ("full jitter": M. Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015).
        max_backoff: seconds.
        budget: retries per successful call, over the client's life: 0.1 keeps what overloaded servers see below
            1.1 times what was offered.
        reserve: retries that the budget holds at the start, so that a client with few calls has some at all.
    """

    attempts: int = 3
    backoff: float = 0.1
    max_backoff: float = 1.0
    budget: float = 0.1
    reserve: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"Retry.attempts must be at least 1, got {self.attempts}")
        if min(self.backoff, self.max_backoff, self.budget, self.reserve) < 0:
            raise ValueError("Retry.backoff, max_backoff, budget and reserve must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When a server that fails is left alone.

    With several servers this is on by default (outlier ejection): the others take its calls, and the last one
    standing is never ejected. With a single server it works only when given: calls then fail at once
    with `CircuitOpenError` instead of waiting for a server that does not answer.

    Attributes:
        failures: consecutive failures (no connection, lost connection, deadline) that open the circuit.
        open_for: seconds until one call may try the server again; doubles with each failed try.
        max_open_for: seconds, the longest such time.
    """

    failures: int = 3
    open_for: float = 1.0
    max_open_for: float = 30.0

    def __post_init__(self) -> None:
        if self.failures < 1 or not 0 < self.open_for <= self.max_open_for:
            raise ValueError("Breaker needs failures of at least 1 and 0 < open_for <= max_open_for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Sends a slow inference a second time, takes the first answer and cancels the other.

    Attributes:
        after: seconds without an answer until the second is sent; about the 95th percentile of the latency.
        budget: the share of calls that may be sent twice.
    """

    after: float
    budget: float = 0.05

    def __post_init__(self) -> None:
        if self.after <= 0 or not 0 < self.budget <= 1:
            raise ValueError("Hedge needs after > 0 and 0 < budget <= 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Certificates for `grpcs://` and `https://`. The server's certificate is always verified.

    Attributes:
        ca: PEM file of the authorities to trust; None trusts the system's (HTTP) or gRPC's own list.
        certificate: PEM file with this client's certificate chain, for mutual TLS.
        key: PEM file with the private key of `certificate`.
        server_name: the name that the server's certificate must bear, if it is not the address's host.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = field(default=None, repr=False)
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("TLS.certificate and TLS.key are given together or not at all")


@dataclass(frozen=True, slots=True)
class RestrictedKey:
    """The header that opens Triton's restricted APIs (`--http-restricted-api`, `--grpc-restricted-protocol`).

    Attributes:
        name: the key's name as the server's flags have it; over gRPC the client adds Triton's prefix.
        value: the secret.
    """

    name: str
    value: str = field(repr=False)
