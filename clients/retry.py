"""Whether a failed attempt may be repeated, and what the caller is told: pure decisions by code and message.

Triton gives one code for unlike things: UNAVAILABLE is a full queue, a server that stops, and a refused
administrative call. So the rules look at the message too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .errors import (
    ClientError,
    DeadlineError,
    DeniedError,
    InvalidRequestError,
    ModelError,
    NotFoundError,
    OverloadedError,
    ProtocolError,
    UnavailableError,
)
from .forks import guard
from .messages import Code

if TYPE_CHECKING:
    import threading

    from .messages import Fault
    from .options import Retry


class Verdict(Enum):
    """What a failed attempt means for the next one."""

    NEVER = "the same request fails again"
    NOT_EXECUTED = "the server did not execute it: any call may be repeated"
    MAYBE_EXECUTED = "the server may have executed it: only an idempotent call may be repeated"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    Attributes:
        codes: the codes that it is for.
        fragment: what the message must contain, in lower case; "" is any message.
        verdict: what it means for a retry.
        error: what the caller gets when the call is given up.
        blames_server: whether it counts as a failure of the server, which may be ejected for it.
        leaving: whether the server is going away or gone, and should be left alone at once.
        hint: the advice in the error.
    """

    codes: frozenset[Code]
    fragment: str
    verdict: Verdict
    error: type[ClientError]
    blames_server: bool = False
    leaving: bool = False
    hint: str | None = None


def _codes(*codes: Code) -> frozenset[Code]:
    return frozenset(codes)


_UNAVAILABLE = _codes(Code.UNAVAILABLE)
_NOT_FOUND = _codes(Code.NOT_FOUND)
_FAILED = _codes(Code.INTERNAL, Code.INVALID_ARGUMENT)

# The first row that fits decides. The fragments are the texts of Triton 2.51 and later.
RULES: tuple[Rule, ...] = (
    Rule(
        _UNAVAILABLE | _codes(Code.PERMISSION_DENIED),
        "is restricted",
        Verdict.NEVER,
        DeniedError,
        hint="give the server's key as restricted_key=RestrictedKey(name, value)",
    ),
    Rule(
        _UNAVAILABLE,
        "explicit model load / unload is not allowed",
        Verdict.NEVER,
        DeniedError,
        hint="the server must run with --model-control-mode=explicit",
    ),
    Rule(_codes(Code.PERMISSION_DENIED), "", Verdict.NEVER, DeniedError, hint="check the token or key"),
    Rule(_UNAVAILABLE, "exceeds maximum queue size", Verdict.NOT_EXECUTED, OverloadedError),
    Rule(_UNAVAILABLE, "request timeout expired", Verdict.NOT_EXECUTED, OverloadedError),
    Rule(_UNAVAILABLE, "server is stopping", Verdict.NOT_EXECUTED, UnavailableError, leaving=True),
    Rule(_UNAVAILABLE, "shutting down", Verdict.NOT_EXECUTED, UnavailableError, leaving=True),
    # The model is not loaded, or the server drains: before 25.05 a draining server says this over gRPC.
    Rule(
        _NOT_FOUND,
        "has no available versions",
        Verdict.NOT_EXECUTED,
        NotFoundError,
        leaving=True,
        hint="the model is not loaded, or its server is stopping",
    ),
    Rule(_NOT_FOUND, "", Verdict.NEVER, NotFoundError, hint="`tritonkit metadata URL` lists the models of a server"),
    Rule(
        _FAILED,
        "is not healthy",
        Verdict.NOT_EXECUTED,
        UnavailableError,
        blames_server=True,
        hint="the model's Python process died; to unload and load the model starts it again",
    ),
    Rule(
        _codes(Code.UNIMPLEMENTED),
        "decoupled",
        Verdict.NEVER,
        InvalidRequestError,
        hint="this model is decoupled: use stream()",
    ),
    Rule(_codes(Code.INTERNAL), "to parse", Verdict.NEVER, InvalidRequestError),
    Rule(_codes(Code.RESOURCE_EXHAUSTED), "larger than max", Verdict.NEVER, InvalidRequestError),
    Rule(_codes(Code.RESOURCE_EXHAUSTED), "", Verdict.NOT_EXECUTED, OverloadedError),
    Rule(
        _codes(Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED, Code.ALREADY_EXISTS), "", Verdict.NEVER, InvalidRequestError
    ),
    Rule(_codes(Code.INTERNAL), "", Verdict.NEVER, ModelError),
    Rule(
        _codes(Code.NOT_CONNECTED),
        "",
        Verdict.NOT_EXECUTED,
        UnavailableError,
        blames_server=True,
        leaving=True,
        hint="is a server running at this address?",
    ),
    Rule(_codes(Code.CONNECTION_LOST), "", Verdict.MAYBE_EXECUTED, UnavailableError, blames_server=True),
    Rule(_UNAVAILABLE | _codes(Code.CANCELLED), "", Verdict.MAYBE_EXECUTED, UnavailableError, blames_server=True),
    Rule(_codes(Code.DEADLINE), "", Verdict.MAYBE_EXECUTED, DeadlineError, blames_server=True),
    Rule(
        _codes(Code.MALFORMED),
        "",
        Verdict.NEVER,
        ProtocolError,
        hint="is this address a Triton server's, with the right protocol and port?",
    ),
)


def judge(fault: Fault) -> Rule:
    """The row of `RULES` for a failed attempt."""
    message = fault.message.lower()
    return next(rule for rule in RULES if fault.code in rule.codes and rule.fragment in message)


def may_repeat(rule: Rule, *, idempotent: bool) -> bool:
    """Whether a call that failed by `rule` may be sent again."""
    return rule.verdict is Verdict.NOT_EXECUTED or (rule.verdict is Verdict.MAYBE_EXECUTED and idempotent)


def pause_before(attempt: int, retry: Retry, chance: float) -> float:
    """Seconds to wait before attempt number `attempt` (2 is the first retry).

    Args:
        attempt: the number of the coming attempt.
        retry: the caller's choice.
        chance: a random number in [0, 1).
    """
    return chance * min(retry.max_backoff, retry.backoff * 2.0 ** (attempt - 2))


# Retries that a long run of successes saves up.
_MOST_SAVED = 10.0


class Budget:
    """How many more retries a client may make; safe under threads.

    Each success earns `rate` of a retry, each retry costs one. Failures earn nothing: a dead server gets the
    reserve and no more.
    """

    def __init__(self, *, rate: float, reserve: float) -> None:
        self._rate = rate
        self._most = max(reserve, _MOST_SAVED)
        self._left = reserve
        self.lock: threading.Lock
        guard(self)

    def earn(self) -> None:
        """A call succeeded."""
        if self._left >= self._most:
            return
        with self.lock:
            self._left = min(self._most, self._left + self._rate)

    def spend(self) -> bool:
        """Takes one retry; False if there is none."""
        with self.lock:
            # Ten times 0.1 falls short of 1 by rounding.
            if self._left < 1 - 1e-9:
                return False
            self._left -= 1
            return True
