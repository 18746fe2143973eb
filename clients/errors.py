"""What the client raises; nothing of gRPC, tritonclient, aiohttp or the socket module passes this module.

    ClientError
    ├── InvalidRequestError   the caller's fault: refused before sending, or by the server
    ├── NotFoundError         the model, or the version, is not there (or not loaded)
    ├── DeniedError           a key or token is missing or wrong, or the server does not allow the call
    ├── UnavailableError      no server could be reached, or each one went away
    │   ├── OverloadedError   the server refused the call because its queue is full
    │   ├── CircuitOpenError  not sent: this server failed too often a moment ago
    │   └── SequenceLostError the server that held the sequence's state is gone
    ├── DeadlineError         the deadline passed
    ├── CancelledCallError    the caller cancelled
    ├── ModelError            the model itself failed on this request
    └── ProtocolError         the answer is not one of Triton's

`DeniedError` is also a `PermissionError` and `DeadlineError` a `TimeoutError`, so that code which knows
only Python's own exceptions treats them rightly.
"""

from __future__ import annotations


class ClientError(Exception):
    """A failed call.

    Attributes:
        what: what failed, as a sentence without its full stop.
        where: the input, output, file or address where it failed.
        got: what was found there, or what the server said.
        expected: what would have been right.
        hint: what to do next.
        model: the model that was called, or "".
        version: the version that was asked for, or "" for the server's choice.
        endpoint: the server's address, as the caller gave it and without credentials; "" when nothing was sent.
        attempt: how many times the call was sent; 0 when it never was.
        retryable: whether the same call may succeed later, or elsewhere, unchanged.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: object = None,
        expected: object = None,
        hint: str | None = None,
        model: str = "",
        version: str = "",
        endpoint: str = "",
        attempt: int = 0,
        retryable: bool = False,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.got = None if got is None else str(got)
        self.expected = None if expected is None else str(expected)
        self.hint = hint
        self.model = model
        self.version = version
        self.endpoint = endpoint
        self.attempt = attempt
        self.retryable = retryable

    def __str__(self) -> str:
        place = self.where or self.endpoint
        parts = [f"{place}: {self.what}" if place else self.what]
        if self.got is not None:
            parts.append(f"got {self.got}")
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.hint is not None:
            parts.append(self.hint)
        if self.attempt > 1:
            parts.append(f"after {self.attempt} attempts")
        return "; ".join(" ".join(part.split()) for part in parts)


class InvalidRequestError(ClientError):
    """The request is wrong; sending it again cannot help."""


class NotFoundError(ClientError):
    """The server has no such model or version, or has not loaded it."""


class DeniedError(ClientError, PermissionError):
    """The server does not let this caller do this."""


class UnavailableError(ClientError):
    """No server could take the call."""


class OverloadedError(UnavailableError):
    """The server's queue is full."""


class CircuitOpenError(UnavailableError):
    """The call was not sent: every server failed repeatedly a moment ago."""


class SequenceLostError(UnavailableError):
    """The sequence's server is gone, and its state with it: begin a new sequence."""


class DeadlineError(ClientError, TimeoutError):
    """The deadline passed before the answer came."""


class CancelledCallError(ClientError):
    """The caller cancelled the call."""


class ModelError(ClientError):
    """The model failed on this request."""


class ProtocolError(ClientError):
    """The answer cannot be read: the address is not a Triton server's, or something in between changed it."""
