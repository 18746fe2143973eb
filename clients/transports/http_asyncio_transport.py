"""HTTP under asyncio, over aiohttp, which tritonclient's own asyncio client stands on too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from ..messages import Code, Fault
from .http_connections import IDLE_SECONDS, tls_context
from .http_messages import HttpResponse, http_reply, http_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..addresses import Address
    from ..messages import ControlReply, Exchange, InferReply, InferRequest, Message
    from ..options import TLS, Timeout


class HttpAsyncioTransport:
    """A pool of keep-alive connections to one server, in the event loop of its first attempt."""

    def __init__(self, address: Address, *, timeout: Timeout, tls: TLS | None) -> None:
        self._address = address
        self._connect_seconds = timeout.connect
        self._context = tls_context(tls) if address.secure else None
        self._server_name = address.server_name or (tls.server_name if tls is not None else None)
        self._origin = f"{address.scheme}://{address.netloc}"
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`. Cancelling the task closes the connection; the server may still execute the request."""
        session = self._session or self._opened()
        request = http_request(self._address.path, message, exchange)
        body = request.body[0] if len(request.body) == 1 else b"".join(request.body)
        try:
            async with session.request(
                request.method,
                self._origin + request.path,
                data=body or None,
                headers=request.headers,
                timeout=aiohttp.ClientTimeout(total=exchange.timeout, sock_connect=self._connect_seconds),
                server_hostname=self._server_name,
                allow_redirects=False,
            ) as response:
                content = await response.read()
                headers = {name.lower(): value for name, value in response.headers.items()}
                status = response.status
        except aiohttp.ConnectionTimeoutError:
            raise Fault(Code.NOT_CONNECTED, f"no connection within {self._connect_seconds:g} s") from None
        except TimeoutError:
            raise Fault(Code.DEADLINE, f"no answer within {exchange.timeout:.3g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Fault(Code.NOT_CONNECTED, str(error)) from None
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            raise Fault(Code.MALFORMED, f"no HTTP response: {error}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Fault(Code.CONNECTION_LOST, str(error)) from None
        return http_reply(message, HttpResponse(status, headers, content))

    async def stream(self, _request: InferRequest, _exchange: Exchange) -> AsyncIterator[InferReply]:
        """Refuses: Triton sends the tensors of decoupled models over gRPC alone."""
        raise Fault(Code.UNIMPLEMENTED, "streams need gRPC: use a grpc:// address")
        yield  # an asynchronous generator, as the seam has it

    async def rest(self) -> None:
        """See `Transport.rest`."""
        await self.close()

    async def close(self) -> None:
        """See `Transport.close`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=IDLE_SECONDS, ssl=True if self._context is None else self._context
        )
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        return self._session
