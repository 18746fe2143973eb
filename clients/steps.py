"""The vocabulary of plans: what a plan asks its driver to do, and on what terms."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypedDict, TypeVar

from .messages import NO_HEADERS, Cancellation, ControlReply, Exchange, Fault, Headers, InferReply, Message, Parameter

if TYPE_CHECKING:
    from .options import Breaker, Compression, Hedge, Memory, Retry, Timeout, Token

T = TypeVar("T")

Reply = InferReply | ControlReply


class RequestChoices(TypedDict, total=False):
    """What a caller may choose of one request; `preparation.prepare` explains each."""

    request_id: str
    outputs: Sequence[str] | None
    classes: Mapping[str, int] | None
    parameters: Mapping[str, Parameter] | None
    priority: int


class CallChoices(RequestChoices, total=False):
    """What a caller may choose of each of many calls; `Client.infer` explains each."""

    version: str
    timeout: float | None
    headers: Mapping[str, str] | None
    idempotent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that a client was made with, save its addresses and certificates."""

    timeout: Timeout
    retry: Retry
    breaker: Breaker | None
    hedge: Hedge | None
    headers: Headers
    token: Token | None = field(repr=False)
    compression: Compression | None
    shared_memory: Memory | None
    validate: bool
    allow_nan: bool


class Terms(NamedTuple):
    """The conditions of one call.

    Attributes:
        deadline: when it must have ended, by the monotonic clock.
        attempts: most attempts.
        idempotent: whether executing it twice does no harm.
        replica: the only server that may take it; None is any.
        headers: sent with each attempt.
        cancellation: ends it early.
    """

    deadline: float
    attempts: int
    idempotent: bool = True
    replica: int | None = None
    headers: Headers = NO_HEADERS
    cancellation: Cancellation | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """The second request of a hedged attempt.

    Attributes:
        replica: the server that gets it.
        after: seconds without an answer until it is sent.
        allowed: asked at that moment; takes one from the budget.
    """

    replica: int
    after: float
    allowed: Callable[[], bool]


class Attempt(NamedTuple):
    """Send `message` to server number `replica`; the outcome is a reply or a fault, with a backup a `Hedged`."""

    replica: int
    message: Message
    exchange: Exchange
    backup: Backup | None = None


@dataclass(frozen=True, slots=True)
class Hedged:
    """The outcome of an attempt with a backup.

    Attributes:
        outcome: the first answer, or the last fault.
        replica: the server that it came from.
        doubled: whether the backup was sent.
    """

    outcome: Reply | Fault
    replica: int
    doubled: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; the outcome is None."""

    seconds: float
    cancellation: Cancellation | None


@dataclass(frozen=True, slots=True)
class Rest:
    """Let go of the idle connections to server number `replica`, which is going away; the outcome is None."""

    replica: int


Step = Attempt | Pause | Rest

Plan = Generator[Step, "Reply | Fault | Hedged | None", T]


class Sent(NamedTuple):
    """A reply and how it came.

    Attributes:
        reply: what the server answered.
        replica: which server.
        attempts: how often the request was sent.
        seconds: of the attempt that succeeded.
    """

    reply: Reply
    replica: int
    attempts: int
    seconds: float
