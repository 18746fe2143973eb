"""One record a request: written by the generator's processes, read by the one that started them.

Times are seconds on the monotonic clock, which all processes of one machine share.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.plan import Protocol

PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http")
_PACKED = struct.Struct("<ddddIBBB")
RECORD = np.dtype(
    [
        ("intended", "<f8"),
        ("sent", "<f8"),
        ("first", "<f8"),
        ("done", "<f8"),
        ("responses", "<u4"),
        ("protocol", "u1"),
        ("reason", "u1"),
        ("model", "u1"),
    ]
)
PULSE = np.dtype([("at", "<f8"), ("cpu", "<f8"), ("lag", "<f8")])
"""A generator process about itself: seconds of CPU so far, and how late this pulse was."""
_PACKED_PULSE = struct.Struct("<ddd")


class Reason(IntEnum):
    """How a request ended; the number stands in the record."""

    ANSWERED = 0
    QUEUE_FULL = 1
    """Triton refused it: the model's queue was full. No metric of Triton counts these."""
    QUEUE_TIMEOUT = 2
    """Triton dropped it from the queue after the model's queue timeout."""
    DEADLINE = 3
    """No answer within the plan's deadline."""
    UNREACHABLE = 4
    """No connection, or it broke."""
    NOT_FOUND = 5
    """The model is unknown or not loaded."""
    BAD_REQUEST = 6
    REFUSED = 7
    """The caller lacks a permission."""
    SERVER_ERROR = 8
    UNSENT = 9
    """It was due, and the test ended before there was a place to send it from."""

    @property
    def label(self) -> str:
        """The reason as reports print it."""
        return self.name.lower().replace("_", " ")


def grpc_reason(code: str, message: str) -> Reason:
    """The reason of a failed gRPC call, by the name of its status code and its message.

    The code alone does not tell: Triton answers UNAVAILABLE to a full queue, to a queue timeout and to a missing
    permission, and gRPC itself to a broken connection.
    """
    told = _reason_told(message)
    if told is not None:
        return told
    return {
        "DEADLINE_EXCEEDED": Reason.DEADLINE,
        "CANCELLED": Reason.DEADLINE,
        "UNAVAILABLE": Reason.UNREACHABLE,
        "NOT_FOUND": Reason.NOT_FOUND,
        "INVALID_ARGUMENT": Reason.BAD_REQUEST,
        "RESOURCE_EXHAUSTED": Reason.BAD_REQUEST,
        "PERMISSION_DENIED": Reason.REFUSED,
        "UNAUTHENTICATED": Reason.REFUSED,
    }.get(code, Reason.SERVER_ERROR)


def http_reason(status: int, message: str) -> Reason:
    """The reason of an HTTP answer, by its status and its message."""
    if status == 200:
        return Reason.ANSWERED
    told = _reason_told(message)
    if told is not None:
        return told
    return {
        400: Reason.BAD_REQUEST,
        401: Reason.REFUSED,
        403: Reason.REFUSED,
        404: Reason.NOT_FOUND,
        413: Reason.BAD_REQUEST,
        504: Reason.DEADLINE,
    }.get(status, Reason.SERVER_ERROR)


def _reason_told(message: str) -> Reason | None:
    if "Exceeds maximum queue size" in message:
        return Reason.QUEUE_FULL
    if "Request timeout expired" in message:
        return Reason.QUEUE_TIMEOUT
    if "is restricted, expecting header" in message:
        return Reason.REFUSED
    if "unknown model" in message:
        return Reason.NOT_FOUND
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one request ended.

    Attributes:
        reason: whether it was answered, or why not.
        message: the server's words, if it failed.
        first: when the first response of a stream came, on the monotonic clock; NaN without a stream.
        responses: how many responses a stream brought.
    """

    reason: Reason
    message: str = ""
    first: float = math.nan
    responses: int = 1


ANSWERED = Ending(reason=Reason.ANSWERED)


def pack_record(
    *, intended: float, sent: float, done: float, protocol: Protocol, ending: Ending, model: int = 0
) -> bytes:
    """One record as it stands in the file; `sent` is NaN for a request that never was, `model` the number in a mix."""
    return _PACKED.pack(
        intended, sent, ending.first, done, ending.responses, PROTOCOLS.index(protocol), ending.reason, model
    )


def pack_pulse(at: float, cpu: float, lag: float) -> bytes:
    """One pulse as it stands in the file."""
    return _PACKED_PULSE.pack(at, cpu, lag)


def read_rows(paths: Iterable[Path], dtype: np.dtype[np.void]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """The rows of all files; a row cut short by a kill is left out."""
    pieces = []
    for path in paths:
        content = path.read_bytes()
        whole = len(content) - len(content) % dtype.itemsize
        pieces.append(np.frombuffer(content[:whole], dtype=dtype))
    return np.concatenate(pieces) if pieces else np.empty(0, dtype=dtype)
