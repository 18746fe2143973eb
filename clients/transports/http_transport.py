"""HTTP with blocking calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..messages import Code, Fault
from .http_connections import Deadline, Pool
from .http_messages import HttpRequest, http_reply, http_request

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..addresses import Address
    from ..messages import ControlReply, Exchange, InferReply, InferRequest, Message
    from ..options import TLS, Timeout


class HttpTransport:
    """A pool of keep-alive connections to one server."""

    def __init__(self, address: Address, *, timeout: Timeout, tls: TLS | None) -> None:
        self._address = address
        self._pool = Pool(address, connect_seconds=timeout.connect, tls=tls)

    def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`."""
        deadline = Deadline(exchange.timeout)
        request = http_request(self._address.path, message, exchange)
        try:
            connection = self._pool.take(deadline)
        except TimeoutError:
            raise Fault(Code.DEADLINE, "no connection before the deadline") from None
        cancellation = exchange.cancellation
        reusable = False
        if cancellation is not None:
            cancellation.attach(connection.abort)
        try:
            response, reusable = connection.exchange(self._head(request), request, deadline)
        except TimeoutError:
            raise Fault(Code.DEADLINE, f"no answer within {exchange.timeout:.3g} s") from None
        except (OSError, Fault) as error:
            if cancellation is not None and cancellation.cancelled:
                raise Fault(Code.CANCELLED, "cancelled by the caller") from None
            if isinstance(error, Fault):
                raise
            raise Fault(Code.CONNECTION_LOST, error.strerror or str(error)) from None
        finally:
            if cancellation is not None:
                cancellation.detach(connection.abort)
            if reusable:
                self._pool.give(connection)
            else:
                connection.close()
        return http_reply(message, response)

    def stream(self, _request: InferRequest, _exchange: Exchange) -> Generator[InferReply]:
        """Refuses: Triton sends the tensors of decoupled models over gRPC alone."""
        raise Fault(Code.UNIMPLEMENTED, "streams need gRPC: use a grpc:// address")

    def rest(self) -> None:
        """See `Transport.rest`."""
        self._pool.empty()

    def close(self) -> None:
        """See `Transport.close`."""
        self._pool.close()

    def _head(self, request: HttpRequest) -> bytes:
        lines = [f"{request.method} {request.path} HTTP/1.1", f"host: {self._address.netloc}"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        lines += [f"content-length: {request.size}", "", ""]
        return "\r\n".join(lines).encode("latin-1")
