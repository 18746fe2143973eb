"""Clients of a Triton Inference Server: one surface, HTTP and gRPC, blocking and asyncio.

    from clients import Client

    with Client("grpc://127.0.0.1:8001") as client:
        answer = client.infer("efficientnet_lite0", {"image": Path("cat.jpg").read_bytes()})
        print(answer.text("label")[0], answer["score"][0])

Every call has a deadline, failed attempts are repeated where that is safe, and errors are the few classes of
`ClientError`.
"""

from typing import TYPE_CHECKING

from .answer import Answer, Category, Timing
from .client import Client
from .counts import Counts
from .errors import (
    CancelledCallError,
    CircuitOpenError,
    ClientError,
    DeadlineError,
    DeniedError,
    InvalidRequestError,
    ModelError,
    NotFoundError,
    OverloadedError,
    ProtocolError,
    SequenceLostError,
    UnavailableError,
)
from .messages import Cancellation
from .metadata import IndexEntry, ModelMetadata, ServerMetadata, TensorMetadata
from .options import TLS, Breaker, Hedge, RestrictedKey, Retry, Timeout
from .server_statistics import Duration, ModelStatistics

if TYPE_CHECKING:
    from .async_client import AsyncClient

__all__ = [
    "TLS",
    "Answer",
    "AsyncClient",
    "Breaker",
    "Cancellation",
    "CancelledCallError",
    "Category",
    "CircuitOpenError",
    "Client",
    "ClientError",
    "Counts",
    "DeadlineError",
    "DeniedError",
    "Duration",
    "Hedge",
    "IndexEntry",
    "InvalidRequestError",
    "ModelError",
    "ModelMetadata",
    "ModelStatistics",
    "NotFoundError",
    "OverloadedError",
    "ProtocolError",
    "RestrictedKey",
    "Retry",
    "SequenceLostError",
    "ServerMetadata",
    "TensorMetadata",
    "Timeout",
    "Timing",
    "UnavailableError",
]


def __getattr__(name: str) -> object:
    """Imports `AsyncClient` at its first use, and with it asyncio, which costs others a fifth of this import."""
    if name == "AsyncClient":
        from .async_client import AsyncClient  # noqa: PLC0415 - see above

        globals()[name] = AsyncClient
        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
