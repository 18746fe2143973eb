"""gRPC under asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2_grpc

from ..messages import InferRequest
from .grpc_channel import COMPRESSION, channel_options, credentials, fault
from .grpc_messages import RPCS, control_reply, infer_message, infer_reply, stream_message, stream_reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..addresses import Address
    from ..messages import ControlReply, Exchange, InferReply, Message
    from ..options import TLS, Timeout


class GrpcAsyncioTransport:
    """One channel to one server, in the event loop of its first attempt."""

    def __init__(self, address: Address, *, timeout: Timeout, tls: TLS | None) -> None:
        self._address = address
        self._options = channel_options(address, timeout, tls)
        self._credentials = credentials(tls) if address.secure else None
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None

    async def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`. Cancelling the task cancels the call at the server too."""
        stub = self._stub or self._connected()
        choices = {
            "timeout": exchange.timeout,
            "metadata": exchange.headers,
            "compression": COMPRESSION[exchange.compression],
        }
        try:
            if isinstance(message, InferRequest):
                return infer_reply(await stub.ModelInfer(infer_message(message, exchange.timeout), **choices))
            rpc = RPCS[message.action]
            return control_reply(message, await getattr(stub, rpc.method)(rpc.message(message), **choices))
        except grpc.RpcError as error:
            raise fault(error) from None

    async def stream(self, request: InferRequest, exchange: Exchange) -> AsyncGenerator[InferReply]:
        """See `Transport.stream`."""
        stub = self._stub or self._connected()
        call = stub.ModelStreamInfer(
            iter([stream_message(request, exchange.timeout)]),
            timeout=exchange.timeout,
            metadata=exchange.headers,
            compression=COMPRESSION[exchange.compression],
        )
        try:
            # To the end, which is the server's: a call that is cancelled between its last answer and its end leaves
            # Triton (2.51) with a model that it cannot unload any more.
            async for response in call:
                reply = stream_reply(response)
                if reply is not None:
                    yield reply
        except grpc.RpcError as error:
            raise fault(error) from None
        finally:
            # Also when the consumer stops early: the server then stops sending.
            call.cancel()

    async def rest(self) -> None:
        """Nothing to do: an idle gRPC channel does not keep a server from stopping."""

    async def close(self) -> None:
        """Closes the channel; calls in flight end with a fault."""
        channel, self._channel, self._stub = self._channel, None, None
        if channel is not None:
            await channel.close()

    def _connected(self) -> Any:
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self._address.netloc, options=self._options)
        else:
            self._channel = grpc.aio.secure_channel(self._address.netloc, self._credentials, options=self._options)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self._stub
