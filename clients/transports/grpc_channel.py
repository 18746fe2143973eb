"""What both gRPC transports share: channel settings, and a failed call's meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from ..messages import Code, Fault

if TYPE_CHECKING:
    from ..addresses import Address
    from ..options import TLS, Compression, Timeout

_INT32_MAX = 2**31 - 1

COMPRESSION: dict[Compression | None, Any] = {
    None: None,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}

_CODES: dict[grpc.StatusCode, Code] = {
    grpc.StatusCode.INVALID_ARGUMENT: Code.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE: Code.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION: Code.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND: Code.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: Code.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED: Code.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED: Code.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED: Code.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Code.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE: Code.UNAVAILABLE,
    grpc.StatusCode.ABORTED: Code.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Code.DEADLINE,
    grpc.StatusCode.CANCELLED: Code.CANCELLED,
}

# gRPC's own words for a connection that never was, or was lost; it reports both as UNAVAILABLE, some as INTERNAL.
_NOT_CONNECTED = ("failed to connect", "name resolution", "dns resolution", "connection refused", "handshake")
_LOST = ("socket closed", "connection reset", "broken pipe", "goaway", "stream removed", "rst_stream", "ping timeout")


def channel_options(address: Address, timeout: Timeout, tls: TLS | None) -> list[tuple[str, Any]]:
    """The arguments of a channel to `address`.

    A list of arguments replaces all of gRPC's defaults that tritonclient sets, so the message sizes are
    stated here again.
    """
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", _INT32_MAX),
        ("grpc.max_receive_message_length", _INT32_MAX),
        # gRPC waits up to two minutes between attempts to reconnect by default, and adds a fifth at random.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 500),
        # Despite its name this is the time that one connection attempt may take.
        ("grpc.min_reconnect_backoff_ms", int(timeout.connect * 1000)),
        # Finds a connection whose other end has vanished, while a call waits on it. A server that forbids so
        # frequent pings makes gRPC double the interval by itself.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Two clients in one process share no connection: each has its own standing with the server.
        ("grpc.use_local_subchannel_pool", 1),
        # Retries are the client's: it knows Triton's messages, gRPC only codes.
        ("grpc.enable_retries", 0),
    ]
    name = address.server_name or (tls.server_name if tls is not None else None)
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    return options


def credentials(tls: TLS | None) -> grpc.ChannelCredentials:
    """The certificates of `tls`, read from their files."""
    if tls is None:
        return grpc.ssl_channel_credentials()
    return grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca), private_key=_read(tls.key), certificate_chain=_read(tls.certificate)
    )


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def fault(error: Any) -> Fault:
    """The fault that a `grpc.RpcError` (or its asyncio twin) stands for."""
    status, message = error.code(), error.details() or ""
    lower = message.lower()
    if status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        if any(words in lower for words in _NOT_CONNECTED):
            return Fault(Code.NOT_CONNECTED, message)
        if any(words in lower for words in _LOST):
            return Fault(Code.CONNECTION_LOST, message)
    if status is grpc.StatusCode.UNIMPLEMENTED and not message:
        return Fault(Code.MALFORMED, "the server does not know Triton's gRPC service")
    return Fault(_CODES.get(status, Code.INTERNAL), message)
