"""What a transport is: it makes one attempt, and reports a failed one as a `Fault`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from ..messages import ControlReply, Exchange, InferReply, InferRequest, Message


class Transport(Protocol):
    """Blocking attempts; safe under threads and after a fork."""

    def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """Makes one attempt.

        Returns:
            An `InferReply` for an `InferRequest`, a `ControlReply` for a `ControlRequest`.

        Raises:
            Fault: it failed; it has ended within `exchange.timeout`.
        """
        ...

    def stream(self, request: InferRequest, exchange: Exchange, /) -> Generator[InferReply]:
        """Sends one request to a decoupled model and yields its replies.

        Raises:
            Fault: it failed, or the protocol has no streams.
        """
        ...

    def rest(self) -> None:
        """The server is going away: lets go of idle connections, so that it need not wait for them."""
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...


class AsyncTransport(Protocol):
    """The same attempts under asyncio, in the loop of the first; cancelling the task ends the attempt."""

    async def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`."""
        ...

    def stream(self, request: InferRequest, exchange: Exchange, /) -> AsyncGenerator[InferReply]:
        """See `Transport.stream`."""
        ...

    async def rest(self) -> None:
        """See `Transport.rest`."""
        ...

    async def close(self) -> None:
        """See `Transport.close`."""
        ...
