"""The client under asyncio: the same plans as `client.py`, carried out with `await`."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, Unpack

from .addresses import parse_address
from .async_hedging import send_hedged_async
from .async_many import in_order_async
from .errors import ClientError
from .messages import Action, Fault
from .metadata import IndexEntry, ModelMetadata, ServerMetadata, index_entries, model_metadata, server_metadata
from .options import TLS, Breaker, Compression, Hedge, Memory, RestrictedKey, Retry, Timeout, Token
from .plans import Plans, SequenceState, new_sequence_id
from .progress import Progress
from .sequences import AsyncSequence
from .server_statistics import ModelStatistics, model_statistics
from .settings import settle
from .steps import Attempt, CallChoices, Hedged, Plan, Reply, RequestChoices, Rest, Step, T
from .transports import open_async_transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from .answer import Answer
    from .counts import Counts
    from .messages import Parameter
    from .transports import AsyncTransport


class AsyncClient:
    """`Client` for asyncio: the same arguments, the same methods, to be awaited.

    It belongs to the event loop of its first call. Cancelling a task cancels its call, over gRPC at the server too.

    Args:
        urls: see `Client`.
        timeout: see `Client`.
        retry: see `Client`.
        breaker: see `Client`.
        hedge: see `Client`.
        tls: see `Client`.
        token: see `Client`.
        restricted_key: see `Client`.
        headers: see `Client`.
        compression: see `Client`.
        shared_memory: see `Client`.
        validate: see `Client`.
        allow_nan: see `Client`.
        transport: see `Client`.

    Raises:
        ValueError: an address or an option has no meaning.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        timeout: float | Timeout = Timeout(),  # noqa: B008 - frozen
        retry: Retry = Retry(),  # noqa: B008 - frozen
        breaker: Breaker | None = None,
        hedge: Hedge | None = None,
        tls: TLS | None = None,
        token: Token | None = None,
        restricted_key: RestrictedKey | None = None,
        headers: Mapping[str, str] | None = None,
        compression: Compression | None = None,
        shared_memory: Memory | None = None,
        validate: bool = True,
        allow_nan: bool = False,
        transport: AsyncTransport | None = None,
    ) -> None:
        addresses = [parse_address(url) for url in ([urls] if isinstance(urls, str) else urls)]
        options = settle(
            addresses,
            timeout=timeout,
            retry=retry,
            breaker=breaker,
            hedge=hedge,
            tls=tls,
            token=token,
            restricted_key=restricted_key,
            headers=headers,
            compression=compression,
            shared_memory=shared_memory,
            validate=validate,
            allow_nan=allow_nan,
        )
        self._plans = Plans([str(address) for address in addresses], options)
        self._transports = [
            open_async_transport(address, timeout=options.timeout, tls=tls) if transport is None else transport
            for address in addresses
        ]

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        outputs: Sequence[str] | None = None,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter] | None = None,
        priority: int = 0,
        classes: Mapping[str, int] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as in infer
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
    ) -> Answer:
        """Runs one inference; see `Client.infer`. Arrays must not change until it returns."""
        return await self._run(
            self._plans.infer(
                model,
                inputs,
                outputs=outputs,
                version=version,
                request_id=request_id,
                parameters=parameters,
                priority=priority,
                classes=classes,
                timeout=timeout,
                headers=headers,
                idempotent=idempotent,
            )
        )

    def infer_many(
        self,
        model: str,
        items: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        *,
        concurrency: int = 8,
        progress: bool = False,
        **choices: Unpack[CallChoices],
    ) -> AsyncIterator[Answer]:
        """Runs one inference for each item and yields the answers in order; see `Client.infer_many`."""
        return in_order_async(
            lambda inputs: self.infer(model, inputs, **choices),
            items,
            concurrency=concurrency,
            progress=Progress(items, shown=progress),
        )

    def try_many(
        self,
        model: str,
        items: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        *,
        concurrency: int = 8,
        progress: bool = False,
        **choices: Unpack[CallChoices],
    ) -> AsyncIterator[Answer | ClientError]:
        """`infer_many` that yields the error of an item that failed in its place, and goes on."""

        async def attempt(inputs: Mapping[str, Any]) -> Answer | ClientError:
            try:
                return await self.infer(model, inputs, **choices)
            except ClientError as error:
                return error

        return in_order_async(attempt, items, concurrency=concurrency, progress=Progress(items, shown=progress))

    async def stream(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - as in infer
        headers: Mapping[str, str] | None = None,
        **choices: Unpack[RequestChoices],
    ) -> AsyncIterator[Answer]:
        """Sends one request to a decoupled model and yields its answers as they come; see `Client.stream`."""
        call = await self._run(
            self._plans.stream_call(model, inputs, version=version, timeout=timeout, headers=headers, **choices)
        )
        began = time.monotonic()
        with self._plans.streaming(call):
            async with aclosing(self._transports[call.replica].stream(call.request, call.exchange)) as replies:
                async for reply in replies:
                    yield self._plans.stream_answer(call, reply, began)

    def sequence(self, model: str, *, version: str = "", sequence_id: int | str | None = None) -> AsyncSequence:
        """A sequence of requests to a stateful model; see `Client.sequence`."""
        return AsyncSequence(self._plans, SequenceState(model, version, sequence_id or new_sequence_id()), self._run)

    async def live(self) -> bool:
        """See `Client.live`."""
        return await self._run(self._plans.health(Action.LIVE))

    async def ready(self) -> bool:
        """See `Client.ready`."""
        return await self._run(self._plans.health(Action.READY))

    async def model_ready(self, model: str, version: str = "") -> bool:
        """See `Client.model_ready`."""
        return await self._run(self._plans.health(Action.MODEL_READY, model=model, version=version))

    async def server_metadata(self) -> ServerMetadata:
        """See `Client.server_metadata`."""
        return server_metadata(await self._run(self._plans.control(Action.SERVER_METADATA)))

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        """See `Client.metadata`."""
        return model_metadata(await self._run(self._plans.control(Action.MODEL_METADATA, model=model, version=version)))

    async def config(self, model: str, version: str = "") -> dict[str, Any]:
        """See `Client.config`."""
        return await self._run(self._plans.control(Action.MODEL_CONFIG, model=model, version=version))

    async def statistics(self, model: str = "", version: str = "") -> tuple[ModelStatistics, ...]:
        """See `Client.statistics`."""
        return model_statistics(
            await self._run(self._plans.control(Action.MODEL_STATISTICS, model=model, version=version))
        )

    async def repository_index(self) -> tuple[IndexEntry, ...]:
        """See `Client.repository_index`."""
        return index_entries(await self._run(self._plans.control(Action.REPOSITORY_INDEX)))

    async def load(self, model: str, *, config: str | None = None, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as in infer
        """See `Client.load`."""
        body = {} if config is None else {"config": config}
        await self._run(self._plans.administer(Action.LOAD, model, body, timeout))

    async def unload(self, model: str, *, dependents: bool = False, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as in infer
        """See `Client.unload`."""
        await self._run(self._plans.administer(Action.UNLOAD, model, {"unload_dependents": dependents}, timeout))

    def counts(self) -> Counts:
        """See `Client.counts`."""
        return self._plans.attempts.counters.read()

    async def close(self) -> None:
        """Closes every connection."""
        await self._run(self._plans.close())
        for transport in self._transports:
            await transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({', '.join(self._plans.endpoints)})"

    async def _run(self, plan: Plan[T]) -> T:
        """Carries a plan out, step by step."""
        try:
            step = next(plan)
            while True:
                outcome: Reply | Fault | Hedged | None
                try:
                    outcome = await self._do(step)
                except Fault as fault:
                    outcome = fault
                except BaseException as error:
                    # The task was cancelled, or a defect: the plan tidies up.
                    plan.throw(error)
                    raise
                step = plan.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, step: Step) -> Reply | Hedged | None:
        if isinstance(step, Attempt):
            if step.backup is None:
                return await self._transports[step.replica].send(step.message, step.exchange)
            return await send_hedged_async(step, self._transports)
        if isinstance(step, Rest):
            await self._transports[step.replica].rest()
        else:
            await asyncio.sleep(step.seconds)
        return None
