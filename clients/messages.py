"""What passes between the client and a transport, the same for every protocol."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .codec import Content
    from .options import Compression

Parameter = str | bool | int | float
"""The value of a request or response parameter."""

NO_PARAMETERS: Mapping[str, Parameter] = MappingProxyType({})


class Headers(tuple[tuple[str, str], ...]):
    """HTTP headers or gRPC metadata, names in lower case. A value may be a secret, so only the names are shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self)})"


NO_HEADERS = Headers()

# What every call makes several of is a named tuple, here and in `steps.py`, and made by position: a frozen dataclass
# takes a microsecond, and ten of them were a third of the client's own time.


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a shared memory region that is registered with the server.

    Attributes:
        name: the region's registered name.
        offset: bytes from its start.
        byte_size: bytes.
    """

    name: str
    offset: int
    byte_size: int


class Tensor(NamedTuple):
    """A tensor on its way.

    Attributes:
        name: the input's or output's name.
        datatype: Triton's name of its type, such as "FP32".
        shape: with the batch dimension where there is one.
        content: its bytes, or where in shared memory an input's lie; empty for an output in shared memory.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    content: Content | Region


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedOutput:
    """An output that the caller wants.

    Attributes:
        name: the output's name.
        classes: with n > 0 not the tensor itself but its n highest values as strings "value:index[:label]"
            (Triton's classification extension).
        region: where in shared memory the server shall write it; None for the wire.
    """

    name: str
    classes: int = 0
    region: Region | None = None


class InferRequest(NamedTuple):
    """One inference."""

    model: str
    inputs: tuple[Tensor, ...]
    version: str = ""
    request_id: str = ""
    outputs: tuple[RequestedOutput, ...] = ()
    parameters: Mapping[str, Parameter] = NO_PARAMETERS


class InferReply(NamedTuple):
    """The answer to one inference."""

    model: str
    version: str
    request_id: str
    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, Parameter] = NO_PARAMETERS


class Action(Enum):
    """A call that is no inference."""

    LIVE = "live"
    READY = "ready"
    MODEL_READY = "model_ready"
    SERVER_METADATA = "server_metadata"
    MODEL_METADATA = "model_metadata"
    MODEL_CONFIG = "model_config"
    MODEL_STATISTICS = "model_statistics"
    REPOSITORY_INDEX = "repository_index"
    LOAD = "load"
    UNLOAD = "unload"
    REGISTER_SYSTEM_REGION = "register_system_region"
    REGISTER_CUDA_REGION = "register_cuda_region"
    UNREGISTER_SYSTEM_REGION = "unregister_system_region"
    UNREGISTER_CUDA_REGION = "unregister_cuda_region"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """A call that is no inference; `body` holds what the action needs beyond a model's name and version."""

    action: Action
    model: str = ""
    version: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


ControlReply = dict[str, Any]
"""The answer to a control request: the JSON object of Triton's HTTP API, over either protocol."""

Message = InferRequest | ControlRequest


class Code(Enum):
    """Why an attempt failed: gRPC's status codes as far as Triton uses them, and what a connection can do."""

    INVALID_ARGUMENT = "invalid argument"
    NOT_FOUND = "not found"
    ALREADY_EXISTS = "already exists"
    PERMISSION_DENIED = "permission denied"
    UNIMPLEMENTED = "unimplemented"
    RESOURCE_EXHAUSTED = "resource exhausted"
    INTERNAL = "internal error"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline exceeded"
    CANCELLED = "cancelled"
    NOT_CONNECTED = "not connected"
    """No connection: the server has seen nothing of the call."""
    CONNECTION_LOST = "connection lost"
    """The connection ended after the request was sent, in part or whole: the server may have executed it."""
    MALFORMED = "malformed answer"


class Fault(Exception):  # noqa: N818 - it never leaves the package: errors.py holds what callers see
    """A failed attempt, as a transport reports it.

    Attributes:
        code: what kind of failure.
        message: the server's words, or the operating system's.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Cancellation:
    """Ends calls from another thread: give it to a call, then call `cancel()`.

    Over gRPC the server hears of it and drops what it has not begun; over HTTP the connection is closed, and the
    server still executes what it has received.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._callbacks: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Cancels every call that was, or will be, given this object."""
        with self._lock:
            self._cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def wait(self, seconds: float) -> None:
        """Sleeps for `seconds`, or until `cancel` is called."""
        self._cancelled.wait(seconds)

    def attach(self, callback: Callable[[], object]) -> None:
        """Has `callback` called on `cancel`, at once if that has been."""
        with self._lock:
            if not self._cancelled.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def detach(self, callback: Callable[[], object]) -> None:
        """Forgets `callback`."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


class Exchange(NamedTuple):
    """How one attempt is to be made.

    Attributes:
        timeout: seconds until it must have ended; it travels to the server too.
        headers: sent with it.
        compression: of the request's body.
        cancellation: ends the attempt early (synchronous transports; in asyncio the task is cancelled).
    """

    timeout: float
    headers: Headers = NO_HEADERS
    compression: Compression | None = None
    cancellation: Cancellation | None = None
