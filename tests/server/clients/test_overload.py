"""More calls than the server can take: few retries, nothing executed in vain, everything counted."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import Client, ClientError, DeadlineError, OverloadedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server
ROW = {"x": np.ones((1, 4), np.float32)}


def nap(seconds: float) -> dict[str, np.ndarray]:
    return {"x": np.array([[seconds]], np.float32)}


def storm(clients: list[Client], calls: int, inputs: dict[str, np.ndarray], model: str, timeout: float) -> int:
    """Each client makes `calls` calls in a thread of its own; returns how many failed."""
    failed = []

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
    server: TritonServer, protocol: str, url: str, clients: int, calls: int
) -> None:
    """C2: at most 1.1 attempts for each call offered. Rejections are in none of Triton's metrics, so the kit counts."""
    opened = [Client(url) for _ in range(clients)]
    failed = storm(opened, calls, nap(0.01), "queued", timeout=3.0)
    attempts = sum(client.counts().attempts for client in opened)
    rejections = sum(client.counts().rejections for client in opened)
    for client in opened:
        client.close()
    ratio = attempts / (clients * calls)
    print(f"{clients} clients, {clients * calls} calls, {failed} failed, {rejections} rejections, ratio {ratio:.3f}")
    assert rejections > 0
    assert ratio <= 1.1


@pytest.mark.parametrize(
    ("clients", "calls"), [(20, 40), pytest.param(100, 50, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_retry_storm_into_a_dead_server(
    protocol: str, url: str, proxies: Callable[..., object], clients: int, calls: int
) -> None:
    """C2: at most 1.1 connections, counted where they arrive, for each call offered over HTTP."""
    proxy = proxies(url)
    opened = [Client(f"{protocol}://127.0.0.1:{proxy.port}") for _ in range(clients)]
    storm(opened, 1, ROW, "echo", timeout=5.0)
    proxy.mode, proxy.connections = "refuse", 0
    proxy.cut()
    failed = storm(opened, calls, ROW, "echo", timeout=5.0)
    attempts = sum(client.counts().attempts for client in opened) - clients
    for client in opened:
        client.close()
    print(f"{clients * calls} calls, {failed} failed, {attempts} attempts, {proxy.connections} connections")
    assert failed == clients * calls
    assert attempts <= 1.1 * clients * calls
    if protocol == "http":
        assert proxy.connections <= 1.1 * clients * calls


def test_what_expired_in_the_queue_is_not_executed_over_grpc(server: TritonServer) -> None:
    """C3: the deadline travels; 8 calls of 0.4 s, one instance, a deadline of 0.7 s: at most half are executed."""
    executed = _expire(server.grpc_url, server)
    assert executed <= 4


def test_over_http_the_error_says_that_it_may_still_be_executed(server: TritonServer) -> None:
    """C3: Triton executes all 8, and the error says so."""
    executed = _expire(server.http_url, server)
    assert executed == 8


def _expire(url: str, server: TritonServer) -> int:
    with Client(server.grpc_url) as watch, Client(url) as client:
        # Other tests give up calls that the model's one instance may still be busy with.
        watch.infer("sleep", nap(0.0), timeout=20)
        time.sleep(0.2)
        before = watch.statistics("sleep")[0].executions

        def call(_: int) -> ClientError | None:
            try:
                client.infer("sleep", nap(0.4), timeout=0.7)
            except ClientError as error:
                return error
            return None

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(call, range(8)))
        late = [error for error in outcomes if error is not None]
        assert len(late) >= 6
        assert all(isinstance(error, DeadlineError) for error in late)
        hint = "over HTTP the server may still execute this request"
        assert all((hint in str(error)) == url.startswith("http") for error in late)
        # A call that the server did execute is counted when it ends.
        time.sleep(3.0 if url.startswith("http") else 1.0)
        return watch.statistics("sleep")[0].executions - before


def test_rejections_are_counted(url: str) -> None:
    """C4: each refused attempt is in the client's counts."""
    with Client(url) as client:
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(lambda _: _outcome(client), range(16)))
        refused = [error for error in outcomes if isinstance(error, OverloadedError)]
        counts = client.counts()
    assert refused
    assert all(isinstance(error, UnavailableError) and error.retryable for error in refused)
    assert counts.rejections >= len(refused)
    assert counts.attempts == counts.calls + counts.retries
    assert counts.failures == len([error for error in outcomes if error is not None])


def _outcome(client: Client) -> ClientError | None:
    try:
        client.infer("queued", nap(0.1))
    except ClientError as error:
        return error
    return None
