"""A request's bytes -> how it ended: one caller a protocol, under gevent.

gRPC's core blocks on threads of its own, which gevent cannot see: without `init_gevent` a call stops every other
user until its answer is there. With it, calls wait as greenlets do. What remains is the end: a channel that is
closed by the garbage collector while the interpreter ends waits for a gevent loop that is gone, and the process
ignores SIGTERM for ever. So a caller has an explicit `close`, and users call it while the loop still runs.
Measured on one core with a server that does nothing, 16 at a time: 0.6 to 0.7 of what bare asyncio does with
tritonclient, which is ample, so no engine of another kind is needed beside Locust.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Protocol

import grpc
import grpc.experimental.gevent
from geventhttpclient import HTTPClient

from benchmarks.records import ANSWERED, Ending, Reason, grpc_reason, http_reason
from clients.addresses import parse_address

if TYPE_CHECKING:
    from benchmarks.payloads import EncodedRequest

# Before any channel exists; Locust has patched the standard library by the time that it reads the locustfile.
grpc.experimental.gevent.init_gevent()

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A connection for every user, as separate clients have; else all channels of a process share one.
    ("grpc.use_local_subchannel_pool", 1),
    # After an outage gRPC waits up to two minutes before it tries again; a load test must see the recovery.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
_CONNECT_SECONDS = 5.0
_ERROR_TAG = b"\x0a"
"""The first byte of a `ModelStreamInferResponse` that carries `error_message`, its field 1, and no response."""


class Caller(Protocol):
    """One user's connection to the server."""

    def call(self, request: EncodedRequest) -> Ending:
        """Sends `request`, waits, and says how it ended."""

    def close(self) -> None:
        """Ends the connection."""


class GrpcCaller:
    """gRPC: one channel, any number of calls at a time.

    Args:
        url: `grpc://HOST:PORT`, or `grpcs://`.
        deadline_seconds: of a request.
        stream: whether each request has a stream of its own, which ends with its last response.
    """

    def __init__(self, url: str, *, deadline_seconds: float, stream: bool) -> None:
        self._deadline_seconds = deadline_seconds
        self._stream = stream
        address = parse_address(url)
        self._channel = (
            grpc.secure_channel(address.netloc, grpc.ssl_channel_credentials(), options=_CHANNEL_OPTIONS)
            if address.secure
            else grpc.insecure_channel(address.netloc, options=_CHANNEL_OPTIONS)
        )
        # No serialiser: bytes go out and come back as they are, so that nothing but sending is measured.
        self._infer: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer"
        )
        self._infer_stream: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer"
        )

    def call(self, request: EncodedRequest) -> Ending:
        """See `Caller.call`."""
        try:
            if self._stream:
                return self._call_stream(request)
            self._infer(request.grpc, timeout=self._deadline_seconds)
        except grpc.RpcError as error:
            message = error.details() or ""
            return Ending(reason=grpc_reason(error.code().name, message), message=message)
        return ANSWERED

    def _call_stream(self, request: EncodedRequest) -> Ending:
        """One request on a stream that is then closed from here: the server ends it after the last response."""
        first, responses = math.nan, 0
        for response in self._infer_stream(iter((request.grpc,)), timeout=self._deadline_seconds):
            first = time.monotonic() if responses == 0 else first
            responses += 1
            if response[:1] == _ERROR_TAG:
                message = _streamed_error(response)
                return Ending(reason=grpc_reason("UNKNOWN", message), message=message, first=first)
        return Ending(reason=Reason.ANSWERED, first=first, responses=responses)

    def close(self) -> None:
        """See `Caller.close`."""
        self._channel.close()


def _streamed_error(response: bytes) -> str:
    from tritonclient.grpc.service_pb2 import ModelStreamInferResponse  # noqa: PLC0415 - only a failure needs it

    return str(ModelStreamInferResponse.FromString(response).error_message)


class HttpCaller:
    """HTTP/1.1 with kept-alive connections: as many at a time as `connections`."""

    def __init__(self, url: str, *, deadline_seconds: float, connections: int) -> None:
        address = parse_address(url)
        self._base = f"{address.path}/v2/models"
        self._client = HTTPClient(
            address.host,
            address.port,
            ssl=address.secure,
            concurrency=connections,
            connection_timeout=min(_CONNECT_SECONDS, deadline_seconds),
            network_timeout=deadline_seconds,
        )

    def call(self, request: EncodedRequest) -> Ending:
        """See `Caller.call`."""
        headers = {
            "Inference-Header-Content-Length": str(request.http_header_length),
            "Content-Type": "application/octet-stream",
        }
        try:
            answer = self._client.post(f"{self._base}/{request.model}/infer", request.http, headers)
            body = answer.read()
        except TimeoutError as error:
            return Ending(reason=Reason.DEADLINE, message=str(error))
        except (OSError, EOFError) as error:
            return Ending(reason=Reason.UNREACHABLE, message=repr(error))
        if answer.status_code == 200:
            return ANSWERED
        message = bytes(body[:500]).decode(errors="replace")
        return Ending(reason=http_reason(answer.status_code, message), message=message)

    def close(self) -> None:
        """See `Caller.close`."""
        self._client.close()
