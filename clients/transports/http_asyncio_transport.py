"""HTTP under asyncio, over aiohttp, which tritonclient's own asyncio client stands on too."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import aiohttp
import yarl

from ..messages import Code, Fault
from .http_connections import AGE_SECONDS, IDLE_SECONDS, tls_context
from .http_messages import HttpRequest, HttpResponse, http_reply, http_request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..addresses import Address
    from ..messages import ControlReply, Exchange, InferReply, InferRequest, Message
    from ..options import TLS, Timeout


# A path names a model and a version; a client calls few.
_MOST_URLS = 1000


# aiohttp writes bytes in one go, and warns beyond this size that the event loop then waits; a stream goes in pieces.
_STREAMED_ABOVE = 2**20


def _body(request: HttpRequest) -> bytes | memoryview | io.BytesIO | None:
    if not request.body:
        return None
    body = request.body[0] if len(request.body) == 1 else b"".join(request.body)
    return io.BytesIO(body) if len(body) > _STREAMED_ABOVE else body


class _Session:
    """A pool of connections and the number of calls that use it."""

    def __init__(self, calls: aiohttp.ClientSession) -> None:
        self.calls = calls
        self.opened = time.monotonic()
        self.in_flight = 0
        self.retired = False

    async def close_if_unused(self) -> None:
        if self.retired and not self.in_flight:
            await self.calls.close()


class HttpAsyncioTransport:
    """A pool of keep-alive connections to one server, in the event loop of its first attempt."""

    def __init__(self, address: Address, *, timeout: Timeout, tls: TLS | None) -> None:
        self._address = address
        self._connect_seconds = timeout.connect
        self._context = tls_context(tls) if address.secure else None
        self._server_name = address.server_name or (tls.server_name if tls is not None else None)
        self._origin = f"{address.scheme}://{address.netloc}"
        self._urls: dict[str, yarl.URL] = {}
        self._session: _Session | None = None

    async def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`. Cancelling the task closes the connection; the server may still execute the request."""
        session = await self._current()
        request = http_request(self._address.path, message, exchange)
        body = _body(request)
        session.in_flight += 1
        try:
            async with session.calls.request(
                request.method,
                self._url(request.path),
                data=body,
                headers=request.headers,
                timeout=aiohttp.ClientTimeout(total=exchange.timeout, sock_connect=self._connect_seconds),
                server_hostname=self._server_name,
                allow_redirects=False,
            ) as response:
                content = await response.read()
                headers = response.headers  # of any case
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
        finally:
            session.in_flight -= 1
            await session.close_if_unused()
        return http_reply(message, HttpResponse(status, headers, content))

    def stream(self, _request: InferRequest, _exchange: Exchange) -> AsyncGenerator[InferReply]:
        """Refuses: Triton sends the tensors of decoupled models over gRPC alone."""
        raise Fault(Code.UNIMPLEMENTED, "streams need gRPC: use a grpc:// address")

    async def rest(self) -> None:
        """See `Transport.rest`."""
        await self.close()

    async def close(self) -> None:
        """Closes the idle connections at once, the others when their calls have ended."""
        session, self._session = self._session, None
        if session is not None:
            session.retired = True
            await session.close_if_unused()

    def _url(self, path: str) -> yarl.URL:
        """The URL of a path. aiohttp would parse a string, the same one again and again."""
        url = self._urls.get(path)
        if url is None:
            if len(self._urls) >= _MOST_URLS:
                self._urls.clear()
            url = self._urls[path] = yarl.URL(self._origin + path, encoded=True)
        return url

    async def _current(self) -> _Session:
        """The session for the next call. One that has aged gives way to a new one, for the reason of `AGE_SECONDS`."""
        if self._session is not None and time.monotonic() - self._session.opened > AGE_SECONDS:
            await self.close()
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0, keepalive_timeout=IDLE_SECONDS, ssl=True if self._context is None else self._context
            )
            self._session = _Session(
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
            )
        return self._session
