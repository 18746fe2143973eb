"""The client with blocking calls."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, Unpack

from .addresses import parse_address
from .errors import ClientError
from .forks import generation, guard
from .hedging import send_hedged
from .many import in_order
from .messages import Action, Cancellation, Fault
from .metadata import IndexEntry, ModelMetadata, ServerMetadata, index_entries, model_metadata, server_metadata
from .options import TLS, Breaker, Compression, Hedge, Memory, RestrictedKey, Retry, Timeout, Token
from .plans import Plans, SequenceState, new_sequence_id
from .progress import Progress
from .sequences import Sequence
from .server_statistics import ModelStatistics, model_statistics
from .settings import settle
from .steps import Attempt, CallChoices, Hedged, Plan, Reply, RequestChoices, Rest, Step, T
from .transports import open_transport

if TYPE_CHECKING:
    import threading
    from collections import abc
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from .answer import Answer
    from .counts import Counts
    from .messages import Parameter
    from .transports import Transport

# Requests in flight at once when hedging; calls beyond wait for a thread.
_MOST_HEDGED = 64


class Client:
    """Calls one Triton server, or several that serve the same models.

    Safe under threads: share one client, it keeps its connections. Usable in a child process after a fork.

    Args:
        urls: `grpc://HOST[:PORT]`, `grpcs://…`, `http://…` or `https://…`, or several of one protocol: calls then go
            round robin, and a server that fails or stops is left alone for a while.
        timeout: seconds for a whole call, or a `Timeout`.
        retry: how failed attempts are repeated.
        breaker: when a failing server is left alone; by default only where there are several.
        hedge: send slow inferences a second time; over gRPC the slower one is cancelled at the server too.
        tls: certificates, for grpcs and https.
        token: a bearer token, or a function that returns one.
        restricted_key: the key of Triton's restricted APIs.
        headers: sent with every call.
        compression: of request bodies; over HTTP of answers too.
        shared_memory: "system" or "cuda": tensors go through memory that the server, on the same machine, maps too,
            instead of through the connection.
        validate: check each request against the model's metadata before it is sent. Without it values are sent as
            they are, for servers which keep their metadata to themselves.
        allow_nan: whether float inputs may hold NaN.
        transport: what sends the requests, in place of a connection to `urls`; for tests, see `clients.testing`.

    Raises:
        ValueError: an address or an option has no meaning.
    """

    def __init__(
        self,
        urls: str | abc.Sequence[str],
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
        transport: Transport | None = None,
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
            open_transport(address, timeout=options.timeout, tls=tls) if transport is None else transport
            for address in addresses
        ]
        self.lock: threading.Lock
        guard(self)
        self._pool: ThreadPoolExecutor | None = None
        self._pool_generation = -1

    def infer(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        outputs: abc.Sequence[str] | None = None,
        version: str = "",
        request_id: str = "",
        parameters: Mapping[str, Parameter] | None = None,
        priority: int = 0,
        classes: Mapping[str, int] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
        cancellation: Cancellation | None = None,
    ) -> Answer:
        """Runs one inference.

        Args:
            model: the model's name.
            inputs: a value for each input. Numbers: a numpy array of exactly the model's type, with the batch dimension
                where the model batches. BYTES: a single `bytes` or `str` for an input of one element (a batch of one,
                where the model batches), nested lists of them, or a numpy array of objects.
            outputs: the names of the outputs to send back; None is all of them.
            version: the model's version; "" is the server's choice.
            request_id: comes back in the answer.
            parameters: custom request parameters.
            priority: 1 is the highest; 0 is the model's default.
            classes: for each output named here, its n highest values with their labels instead of the tensor; see
                `Answer.categories`.
            timeout: seconds, for this call.
            headers: for this call.
            idempotent: whether the model may execute the request twice. With False it is not repeated once its bytes
                were sent.
            cancellation: ends the call from another thread.

        Raises:
            ClientError: see `clients.errors`.
        """
        return self._run(
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
                cancellation=cancellation,
            )
        )

    def infer_many(
        self,
        model: str,
        items: Iterable[Mapping[str, Any]],
        *,
        concurrency: int = 8,
        progress: bool = False,
        **choices: Unpack[CallChoices],
    ) -> Iterator[Answer]:
        """Runs one inference for each item and yields the answers in the items' order, as they come.

        Takes at most 2 * `concurrency` items ahead of the consumer, so an endless stream of them needs no more memory.

        Args:
            model: the model's name.
            items: the inputs of each request, see `infer`.
            concurrency: requests in flight at once, in threads of the call's own.
            progress: show a line on stderr.
            **choices: as for `infer`, for each request; `timeout` is of each one.

        Raises:
            ClientError: of the first item that fails, when its turn comes; `try_many` goes on instead.
        """
        return in_order(
            lambda inputs: self.infer(model, inputs, **choices),
            items,
            concurrency=concurrency,
            progress=Progress(items, shown=progress),
        )

    def try_many(
        self,
        model: str,
        items: Iterable[Mapping[str, Any]],
        *,
        concurrency: int = 8,
        progress: bool = False,
        **choices: Unpack[CallChoices],
    ) -> Iterator[Answer | ClientError]:
        """`infer_many` that yields the error of an item that failed in its place, and goes on."""

        def attempt(inputs: Mapping[str, Any]) -> Answer | ClientError:
            try:
                return self.infer(model, inputs, **choices)
            except ClientError as error:
                return error

        return in_order(attempt, items, concurrency=concurrency, progress=Progress(items, shown=progress))

    def stream(
        self,
        model: str,
        inputs: Mapping[str, Any],
        *,
        version: str = "",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        cancellation: Cancellation | None = None,
        **choices: Unpack[RequestChoices],
    ) -> Iterator[Answer]:
        """Sends one request to a decoupled model and yields its answers as they come. Never sent twice.

        Stop early by closing the iterator (`contextlib.closing`), or through `cancellation`: the server hears of it.

        Args:
            model: the model's name.
            inputs: see `infer`.
            version: the model's version; "" is the server's choice.
            timeout: seconds, of the whole stream.
            headers: for this call.
            cancellation: ends the stream from another thread.
            **choices: see `infer`.

        Raises:
            InvalidRequestError: also over HTTP, which has no streams.
            ClientError: see `clients.errors`.
        """
        call = self._run(
            self._plans.stream_call(
                model,
                inputs,
                version=version,
                timeout=timeout,
                headers=headers,
                cancellation=cancellation,
                **choices,
            )
        )
        began = time.monotonic()
        with (
            self._plans.streaming(call),
            closing(self._transports[call.replica].stream(call.request, call.exchange)) as replies,
        ):
            for reply in replies:
                yield self._plans.stream_answer(call, reply, began)

    def sequence(self, model: str, *, version: str = "", sequence_id: int | str | None = None) -> Sequence:
        """A sequence of requests to a stateful model, as a context manager.

        Args:
            model: the model's name.
            version: its version; "" is the server's choice.
            sequence_id: the correlation id; None makes one.
        """
        return Sequence(self._plans, SequenceState(model, version, sequence_id or new_sequence_id()), self._run)

    def live(self) -> bool:
        """Whether the server says that it is alive; False if it cannot be reached. Asked once, without retries."""
        return self._run(self._plans.health(Action.LIVE))

    def ready(self) -> bool:
        """Whether the server says that it is ready; False if it cannot be reached. Asked once, without retries."""
        return self._run(self._plans.health(Action.READY))

    def model_ready(self, model: str, version: str = "") -> bool:
        """Whether the server can run the model; False if it cannot be reached. Asked once, without retries."""
        return self._run(self._plans.health(Action.MODEL_READY, model=model, version=version))

    def server_metadata(self) -> ServerMetadata:
        """The server's name, version and protocol extensions."""
        return server_metadata(self._run(self._plans.control(Action.SERVER_METADATA)))

    def metadata(self, model: str, version: str = "") -> ModelMetadata:
        """The model's signature."""
        return model_metadata(self._run(self._plans.control(Action.MODEL_METADATA, model=model, version=version)))

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        """The model's configuration as the server completed it: the JSON object of Triton's HTTP API."""
        return self._run(self._plans.control(Action.MODEL_CONFIG, model=model, version=version))

    def statistics(self, model: str = "", version: str = "") -> tuple[ModelStatistics, ...]:
        """The server's own figures, one entry for each version of each model asked for; all of them by default."""
        return model_statistics(self._run(self._plans.control(Action.MODEL_STATISTICS, model=model, version=version)))

    def repository_index(self) -> tuple[IndexEntry, ...]:
        """Every model of the server's repository and its state."""
        return index_entries(self._run(self._plans.control(Action.REPOSITORY_INDEX)))

    def load(self, model: str, *, config: str | None = None, timeout: float | None = None) -> None:
        """Loads or reloads a model, and waits for it; needs a server with `--model-control-mode=explicit`.

        Args:
            model: the model's name.
            config: a configuration in JSON to use instead of the file's.
            timeout: seconds.
        """
        body = {} if config is None else {"config": config}
        self._run(self._plans.administer(Action.LOAD, model, body, timeout))

    def unload(self, model: str, *, dependents: bool = False, timeout: float | None = None) -> None:
        """Unloads a model, with `dependents` an ensemble's parts too.

        The server answers before the unloading is over: `model_ready` or `repository_index` tell when.
        """
        self._run(self._plans.administer(Action.UNLOAD, model, {"unload_dependents": dependents}, timeout))

    def counts(self) -> Counts:
        """What this client has done so far, in numbers."""
        return self._plans.attempts.counters.read()

    def close(self) -> None:
        """Closes every connection."""
        self._run(self._plans.close())
        for transport in self._transports:
            transport.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({', '.join(self._plans.endpoints)})"

    def _run(self, plan: Plan[T]) -> T:
        """Carries a plan out, step by step."""
        try:
            step = next(plan)
            while True:
                outcome: Reply | Fault | Hedged | None
                try:
                    outcome = self._do(step)
                except Fault as fault:
                    outcome = fault
                except BaseException as error:
                    # Ctrl-C, or a defect: the plan tidies up.
                    plan.throw(error)
                    raise
                step = plan.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def _do(self, step: Step) -> Reply | Hedged | None:
        if isinstance(step, Attempt):
            if step.backup is None:
                return self._transports[step.replica].send(step.message, step.exchange)
            return send_hedged(step, self._transports, self._hedging_pool())
        if isinstance(step, Rest):
            self._transports[step.replica].rest()
        elif step.cancellation is None:
            time.sleep(step.seconds)
        else:
            step.cancellation.wait(step.seconds)
        return None

    def _hedging_pool(self) -> ThreadPoolExecutor:
        with self.lock:
            # A pool's threads do not survive a fork.
            if self._pool is None or self._pool_generation != generation():
                self._pool = ThreadPoolExecutor(_MOST_HEDGED, thread_name_prefix="triton-hedge")
                self._pool_generation = generation()
            return self._pool
