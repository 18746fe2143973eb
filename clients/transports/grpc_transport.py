"""gRPC with blocking calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from tritonclient.grpc import service_pb2_grpc

from ..forks import generation, guard
from ..messages import Code, Fault, InferRequest
from .grpc_channel import COMPRESSION, channel_options, credentials, fault
from .grpc_messages import RPCS, control_reply, infer_message, infer_reply, stream_message, stream_reply

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from ..addresses import Address
    from ..messages import ControlReply, Exchange, InferReply, Message
    from ..options import TLS, Timeout


class GrpcTransport:
    """One channel to one server; gRPC channels are safe under threads."""

    def __init__(self, address: Address, *, timeout: Timeout, tls: TLS | None) -> None:
        self._address = address
        self._options = channel_options(address, timeout, tls)
        self._credentials = credentials(tls) if address.secure else None
        self.lock: threading.Lock
        guard(self)
        self._generation = -1
        self._channel: grpc.Channel | None = None
        self._stub: Any = None

    def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`."""
        stub = self._stub if self._generation == generation() else self._connected()
        try:
            if not isinstance(message, InferRequest):
                rpc = RPCS[message.action]
                return control_reply(message, self._call(getattr(stub, rpc.method), rpc.message(message), exchange))
            return infer_reply(self._call(stub.ModelInfer, infer_message(message, exchange.timeout), exchange))
        except grpc.RpcError as error:
            raise fault(error) from None
        except ValueError as error:
            # What gRPC says of a channel that was closed by another thread.
            raise Fault(Code.CANCELLED, str(error)) from None

    def stream(self, request: InferRequest, exchange: Exchange) -> Generator[InferReply]:
        """See `Transport.stream`."""
        stub = self._stub if self._generation == generation() else self._connected()
        message = stream_message(request, exchange.timeout)
        call = stub.ModelStreamInfer(
            iter([message]),
            timeout=exchange.timeout,
            metadata=exchange.headers,
            compression=COMPRESSION[exchange.compression],
        )
        if exchange.cancellation is not None:
            exchange.cancellation.attach(call.cancel)
        try:
            # To the end, which is the server's: a call that is cancelled between its last answer and its end leaves
            # Triton (2.51) with a model that it cannot unload any more.
            for response in call:
                reply = stream_reply(response)
                if reply is not None:
                    yield reply
        except grpc.RpcError as error:
            raise fault(error) from None
        finally:
            # Also when the consumer stops early: the server then stops sending.
            call.cancel()
            if exchange.cancellation is not None:
                exchange.cancellation.detach(call.cancel)

    def rest(self) -> None:
        """Nothing to do: an idle gRPC channel does not keep a server from stopping."""

    def close(self) -> None:
        """Closes the channel; calls in flight end with a fault."""
        with self.lock:
            channel, self._channel, self._stub = self._channel, None, None
            # A channel of the parent process is not this one's to close.
            if channel is not None and self._generation == generation():
                channel.close()
            self._generation = -1

    def _connected(self) -> Any:
        """The stub of this process's own channel: gRPC does not survive a fork."""
        with self.lock:
            if self._generation != generation():
                target = f"dns:///{self._address.netloc}"
                if self._credentials is None:
                    self._channel = grpc.insecure_channel(target, options=self._options)
                else:
                    self._channel = grpc.secure_channel(target, self._credentials, options=self._options)
                self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
                self._generation = generation()
            return self._stub

    @staticmethod
    def _call(rpc: Any, message: Any, exchange: Exchange) -> Any:
        compression = COMPRESSION[exchange.compression]
        if exchange.cancellation is None:
            return rpc(message, timeout=exchange.timeout, metadata=exchange.headers, compression=compression)
        call = rpc.future(message, timeout=exchange.timeout, metadata=exchange.headers, compression=compression)
        exchange.cancellation.attach(call.cancel)
        try:
            return call.result()
        except grpc.FutureCancelledError:
            raise Fault(Code.CANCELLED, "cancelled by the caller") from None
        finally:
            exchange.cancellation.detach(call.cancel)
