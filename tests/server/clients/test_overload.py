"""More calls than the server can take: few retries, nothing executed in vain, everything counted.

Each test states its figure, and prints what was measured.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import (
    AsyncClient,
    Cancellation,
    CancelledCallError,
    Client,
    ClientError,
    DeadlineError,
    OverloadedError,
    UnavailableError,
)
from tests.server_counts import eventually, executions, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server
ROW = {"x": np.ones((1, 4), np.float32)}
STILL_EXECUTED = "over HTTP the server may still execute this request"


def nap(seconds: float) -> dict[str, np.ndarray]:
    return {"x": np.array([[seconds]], np.float32)}


def storm(clients: list[Client], calls: int, inputs: dict[str, np.ndarray], model: str, timeout: float) -> int:
    """Each client makes `calls` calls in a thread of its own; returns how many failed."""
    failed: list[ClientError] = []

    def work(client: Client) -> None:
        for _ in range(calls):
            try:
                client.infer(model, inputs, timeout=timeout)
            except ClientError as error:
                failed.append(error)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failed)


@pytest.mark.parametrize(
    ("clients", "calls"), [(20, 30), pytest.param(100, 50, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_retry_storm_into_a_full_queue(
    protocol: str, url: str, proxies: Callable[..., object], clients: int, calls: int
) -> None:
    """At most 1.1 requests, counted where they reach the server, for each call offered.

    Triton counts what it rejects in none of its metrics: a proxy before it does, and the client itself.
    """
    proxy = proxies(url)
    opened = [Client(f"{protocol}://127.0.0.1:{proxy.port}") for _ in range(clients)]
    storm(opened, 1, ROW, "echo", timeout=60.0)
    for client in opened:
        # The model's metadata too is asked for before the requests are counted.
        client.infer("queued", nap(0.0), timeout=60.0, priority=1)
    before = sum(client.counts().attempts for client in opened)
    proxy.requests = 0
    failed = storm(opened, calls, nap(0.01), "queued", timeout=60.0)
    requests = proxy.requests
    attempts = sum(client.counts().attempts for client in opened) - before
    rejections = sum(client.counts().rejections for client in opened)
    for client in opened:
        client.close()
    offered = clients * calls
    print(
        f"{clients} clients, {offered} calls, {failed} failed, {rejections} rejections; "
        f"{requests / offered:.3f} requests a call at the server, {attempts / offered:.3f} by the clients' own counts"
    )
    assert rejections > 0
    assert requests == attempts
    assert requests <= 1.1 * offered


@pytest.mark.parametrize(
    ("clients", "calls"), [(20, 40), pytest.param(100, 50, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_retry_storm_into_a_dead_server(
    protocol: str, url: str, proxies: Callable[..., object], clients: int, calls: int
) -> None:
    """At most 1.1 attempts, and over HTTP 1.1 connections counted where they arrive, for each call offered."""
    proxy = proxies(url)
    opened = [Client(f"{protocol}://127.0.0.1:{proxy.port}") for _ in range(clients)]
    storm(opened, 1, ROW, "echo", timeout=60.0)
    proxy.mode, proxy.connections = "refuse", 0
    proxy.cut()
    failed = storm(opened, calls, ROW, "echo", timeout=60.0)
    attempts = sum(client.counts().attempts for client in opened) - clients
    for client in opened:
        client.close()
    print(f"{clients * calls} calls, {failed} failed, {attempts} attempts, {proxy.connections} connections")
    assert failed == clients * calls
    assert attempts <= 1.1 * clients * calls
    if protocol == "http":
        assert proxy.connections <= 1.1 * clients * calls


def test_what_expired_in_the_queue_is_not_executed_over_grpc(server: TritonServer) -> None:
    """The deadline travels; 8 calls of 0.8 s, one instance, a deadline of 1.2 s: at most half are executed."""
    executed = _expire(server.grpc_url, server)
    print(f"{executed} of 8 executed")
    assert executed <= 4


def test_over_http_the_error_says_that_it_may_still_be_executed(server: TritonServer) -> None:
    """Triton executes all 8, and the error says so."""
    executed = _expire(server.http_url, server)
    print(f"{executed} of 8 executed")
    assert executed == 8


def _expire(url: str, server: TritonServer) -> int:
    with Client(url) as client:
        client.infer("sleep", nap(0.0), timeout=60)
        before = _settled(server)

        def call(_: int) -> ClientError | None:
            try:
                client.infer("sleep", nap(0.8), timeout=1.2)
            except ClientError as error:
                return error
            return None

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(call, range(8)))
        late = [error for error in outcomes if error is not None]
        assert len(late) >= 4
        assert all(isinstance(error, DeadlineError) for error in late)
        assert all((STILL_EXECUTED in str(error)) == url.startswith("http") for error in late)
        return _settled(server) - before - 1  # and the call that `_settled` waited for


def _settled(server: TritonServer) -> int:
    """How many calls of the model `sleep` were executed, this one included, which its one instance takes last."""
    with Client(server.grpc_url, timeout=60) as watch:
        watch.infer("sleep", nap(0.0))
    return executions(server, "sleep")


def test_cancelling_reaches_the_server_over_grpc(server: TritonServer) -> None:
    """Of 6 calls that are cancelled while the first is executed, at most half are: the queue drops the others."""
    executed = _cancel(server.grpc_url, server, nap(1.0))
    print(f"{executed} of 6 executed")
    assert executed <= 3


def test_cancelling_over_http_says_that_it_does_not(server: TritonServer) -> None:
    """Triton does not watch HTTP connections: it executes all 6. The error says so."""
    executed = _cancel(server.http_url, server, nap(1.0))
    print(f"{executed} of 6 executed")
    assert executed == 6


def _cancel(url: str, server: TritonServer, inputs: dict[str, np.ndarray]) -> int:
    with Client(url, timeout=60) as client:
        client.infer("sleep", nap(0.0))
        before = _settled(server)
        cancellation = Cancellation()

        def call(_: int) -> None:
            with pytest.raises(CancelledCallError) as caught:
                client.infer("sleep", inputs, cancellation=cancellation)
            assert (STILL_EXECUTED in str(caught.value)) == url.startswith("http")

        with ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(call, number) for number in range(6)]
            eventually(lambda: _arrived(server, before) >= 6)
            cancellation.cancel()
            for future in calls:
                future.result()
        return _settled(server) - before - 1  # and the call that `_settled` waited for


def _arrived(server: TritonServer, before: int) -> int:
    """How many calls have reached the model `sleep` since `before`: executed, being executed, or in the queue."""
    with Client(server.http_url, timeout=60) as watch:
        done = watch.statistics("sleep")[0].executions - before
    return done + 1 + waiting(server, "sleep")


def test_cancelling_a_task_reaches_the_server_over_grpc(server: TritonServer) -> None:
    """The same under asyncio, where a call ends with its task."""

    async def cancel() -> None:
        async with AsyncClient(server.grpc_url, timeout=60) as client:
            await client.infer("sleep", nap(0.0))
            tasks = [asyncio.create_task(client.infer("sleep", nap(1.0))) for _ in range(6)]
            await asyncio.sleep(0.3)
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    before = _settled(server)
    asyncio.run(cancel())
    executed = _settled(server) - before - 2
    print(f"{executed} of 6 executed")
    assert executed <= 3


def test_a_high_priority_overtakes(server: TritonServer, url: str) -> None:
    """Two calls wait behind a third; the later one of priority 1 is answered before the earlier one of priority 2."""
    order: list[int] = []
    with Client(url, timeout=60) as client:
        client.infer("queued", nap(0.0))

        def call(priority: int, seconds: float) -> None:
            client.infer("queued", nap(seconds), priority=priority)
            order.append(priority)

        with ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(call, 0, 2.0)]
            time.sleep(0.5)
            futures.append(pool.submit(call, 2, 0.5))
            eventually(lambda: waiting(server, "queued") == 1)
            futures.append(pool.submit(call, 1, 0.5))
            eventually(lambda: waiting(server, "queued") == 2)
            for future in futures:
                future.result()
    assert order == [0, 1, 2]


def test_rejections_are_counted(url: str) -> None:
    """Each refused attempt is in the client's counts, which is the only place where it can be seen."""
    with Client(url) as client:
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(lambda _: _outcome(client), range(16)))
        refused = [error for error in outcomes if isinstance(error, OverloadedError)]
        counts = client.counts()
    print(f"{counts.rejections} rejections counted, {len(refused)} of 16 calls refused in the end")
    assert refused
    assert all(isinstance(error, UnavailableError) and error.retryable for error in refused)
    assert counts.rejections >= len(refused)
    assert counts.attempts == counts.calls + counts.retries
    assert counts.failures == len([error for error in outcomes if error is not None])


def _outcome(client: Client) -> ClientError | None:
    try:
        client.infer("queued", nap(0.3), timeout=60)
    except ClientError as error:
        return error
    return None
