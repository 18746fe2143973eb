"""A stateful model's sequence of requests, as a context manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from .answer import Answer
    from .plans import Plans, SequenceState
    from .steps import Plan, RequestChoices


class Sequence:
    """Requests that share the state of one model instance, all sent to one server, none sent twice.

    The server frees the instance after the request with `last=True`. Without one, because the block was left early, it
    does so after the model's `max_sequence_idle_microseconds`.

    Attributes:
        id: the correlation id.
    """

    def __init__(self, plans: Plans, state: SequenceState, run: Callable[[Plan[Answer]], Answer]) -> None:
        self._plans = plans
        self._state = state
        self._run = run
        self.id = state.id

    def infer(
        self,
        inputs: Mapping[str, Any],
        *,
        last: bool = False,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        **choices: Unpack[RequestChoices],
    ) -> Answer:
        """Sends the next request.

        Args:
            inputs: see `Client.infer`.
            last: whether the sequence ends with it.
            timeout: seconds, for this call.
            headers: for this call.
            **choices: see `Client.infer`.

        Raises:
            SequenceLostError: the server is gone, or an earlier request's fate is not known.
            ClientError: see `Client.infer`.
        """
        return self._run(
            self._plans.sequence_step(self._state, inputs, last=last, timeout=timeout, headers=headers, **choices)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._state.ended = True


class AsyncSequence:
    """`Sequence` for asyncio.

    Attributes:
        id: the correlation id.
    """

    def __init__(self, plans: Plans, state: SequenceState, run: Callable[[Plan[Answer]], Awaitable[Answer]]) -> None:
        self._plans = plans
        self._state = state
        self._run = run
        self.id = state.id

    async def infer(
        self,
        inputs: Mapping[str, Any],
        *,
        last: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - a deadline that travels to the server
        headers: Mapping[str, str] | None = None,
        **choices: Unpack[RequestChoices],
    ) -> Answer:
        """See `Sequence.infer`."""
        return await self._run(
            self._plans.sequence_step(self._state, inputs, last=last, timeout=timeout, headers=headers, **choices)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._state.ended = True
