"""A server that does nothing, fast: what a load generator reaches against it is the generator's own ceiling.

Run as a process of its own; it prints one JSON object with its two addresses and lives until its standard input
ends, which happens however its parent ends.
"""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
import grpc.aio

HOST = "127.0.0.1"
_HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class _GrpcHandler(grpc.GenericRpcHandler):
    """Answers every call with an empty message, which is a valid `ModelInferResponse`."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:  # noqa: ARG002 - theirs
        return grpc.unary_unary_rpc_method_handler(_empty)


async def _empty(_request: bytes, _context: object) -> bytes:
    return b""


class _HttpConnection(asyncio.Protocol):
    """Reads requests by their Content-Length, of any number in a row, and answers each with an empty object."""

    def __init__(self) -> None:
        self._missing = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server's transport is one
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            if not self._missing:
                head, end, data = (self._head + data).partition(b"\r\n\r\n")
                if not end:
                    self._head = head
                    return
                self._head = b""
                self._missing = _content_length(head)
            taken = min(self._missing, len(data))
            self._missing -= taken
            data = data[taken:]
            if not self._missing:
                self._transport.write(_HTTP_ANSWER)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


async def _serve() -> None:
    rpc = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    rpc.add_generic_rpc_handlers((_GrpcHandler(),))
    grpc_port = rpc.add_insecure_port(f"{HOST}:0")
    await rpc.start()
    loop = asyncio.get_running_loop()
    http = await loop.create_server(_HttpConnection, HOST, 0)
    http_port = http.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"grpc": f"grpc://{HOST}:{grpc_port}", "http": f"http://{HOST}:{http_port}"}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    http.close()
    await rpc.stop(grace=None)


if __name__ == "__main__":
    asyncio.run(_serve())
