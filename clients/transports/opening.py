"""The transport for an address; its protocol's libraries are imported here, at the first use, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..addresses import Address
    from ..options import TLS, RestrictedKey, Timeout
    from .seam import AsyncTransport, Transport

# Triton's name of the metadata that carries a restricted API's key over gRPC.
_GRPC_KEY_PREFIX = "triton-grpc-protocol-"


def key_header(address: Address, key: RestrictedKey) -> tuple[str, str]:
    """The header that carries `key` to `address`."""
    prefix = _GRPC_KEY_PREFIX if address.scheme.startswith("grpc") else ""
    return prefix + key.name.lower(), key.value


def open_transport(address: Address, *, timeout: Timeout, tls: TLS | None) -> Transport:
    """A blocking transport to `address`; it connects at its first attempt."""
    if address.scheme.startswith("grpc"):
        from .grpc_transport import GrpcTransport  # noqa: PLC0415 - imports grpc and tritonclient

        return GrpcTransport(address, timeout=timeout, tls=tls)
    from .http_transport import HttpTransport  # noqa: PLC0415 - imports ssl and http.client

    return HttpTransport(address, timeout=timeout, tls=tls)


def open_async_transport(address: Address, *, timeout: Timeout, tls: TLS | None) -> AsyncTransport:
    """An asyncio transport to `address`; it connects at its first attempt."""
    if address.scheme.startswith("grpc"):
        from .grpc_asyncio_transport import GrpcAsyncioTransport  # noqa: PLC0415 - imports grpc.aio

        return GrpcAsyncioTransport(address, timeout=timeout, tls=tls)
    from .http_asyncio_transport import HttpAsyncioTransport  # noqa: PLC0415 - imports aiohttp

    return HttpAsyncioTransport(address, timeout=timeout, tls=tls)
