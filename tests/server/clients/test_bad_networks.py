"""Delays, resets, half-open connections and dripping bytes between client and server; each test states its figure.

Limits on the clock are wide, because the machine may be busy; what is printed is what was measured.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import Client, ClientError, DeadlineError, Retry, UnavailableError
from tests.server_counts import eventually, executions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server
ROW = {"x": np.ones((1, 4), np.float32)}
# Seconds that a call may last beyond its deadline; on an idle machine it is a few milliseconds.
LATE = 5.0


def works(client: Client) -> bool:
    try:
        return bool(client.infer("echo", ROW)["y"].sum() == 4)
    except UnavailableError:
        return False


@pytest.fixture
def through(
    open_client: Callable[..., Client], protocol: str, url: str, proxies: Callable[..., object]
) -> tuple[object, Callable[..., Client]]:
    """A proxy before the shared server, and what opens a client of either style through it."""
    proxy = proxies(url)
    return proxy, lambda **options: open_client(f"{protocol}://127.0.0.1:{proxy.port}", **options)


def ends_at_its_deadline(client: Client, seconds: float) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineError):
        client.infer("echo", ROW, timeout=seconds)
    late = time.monotonic() - began - seconds
    print(f"ended {late * 1000:+.0f} ms after a deadline of {seconds} s")
    assert 0 <= late < LATE


def test_a_delay_is_only_a_delay(through: tuple[object, Callable[..., Client]]) -> None:
    proxy, open_client = through
    proxy.delay = 0.1
    with open_client() as client:
        assert client.infer("echo", ROW).timing.total > 0.2


def test_a_half_open_connection_ends_at_the_deadline(through: tuple[object, Callable[..., Client]]) -> None:
    """The call ends at its deadline, and the next one works."""
    proxy, open_client = through
    with open_client() as client:
        client.infer("echo", ROW)
        proxy.mode = "hold"
        ends_at_its_deadline(client, 0.6)
        proxy.mode = "pass"
        assert client.infer("echo", ROW, timeout=60)["y"].sum() == 4


def test_an_answer_that_drips_in_ends_at_the_deadline_too(through: tuple[object, Callable[..., Client]]) -> None:
    """A byte now and then, which would take 10 s in all, does not extend the call."""
    proxy, open_client = through
    with open_client() as client:
        client.infer("echo", ROW)
        proxy.mode = "drip"
        ends_at_its_deadline(client, 0.8)


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_reset_after_the_bytes_were_sent(
    server: TritonServer, through: tuple[object, Callable[..., Client]], idempotent: bool
) -> None:
    """One error type; sent once if the call must not be executed twice, else three times at most."""
    proxy, open_client = through
    with open_client(retry=Retry(backoff=0.01, max_backoff=0.05)) as client:
        client.infer("echo", ROW)
        before, proxy.requests = executions(server, "echo"), 0
        proxy.mode = "reset"
        with pytest.raises(UnavailableError) as caught:
            client.infer("echo", ROW, idempotent=idempotent)
        assert caught.value.attempt == (3 if idempotent else 1)
        runs = executions(server, "echo") - before
        print(f"{caught.value.attempt} attempts, {proxy.requests} requests on the wire, {runs} executed")
        assert 1 <= runs <= caught.value.attempt, "the server had the bytes"
        if not idempotent:
            assert (proxy.requests, runs) == (1, 1)
        proxy.mode = "pass"
        eventually(lambda: works(client))


def test_refused_connections(through: tuple[object, Callable[..., Client]]) -> None:
    """An error long before the deadline, after three attempts at most."""
    proxy, open_client = through
    proxy.mode = "refuse"
    with open_client(timeout=60.0) as client:
        began = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            client.infer("echo", ROW)
        print(f"failed after {time.monotonic() - began:.2f} s and {caught.value.attempt} attempts")
        assert time.monotonic() - began < 30
        assert caught.value.attempt <= 3


def test_an_idle_connection_that_was_reset_costs_no_call(through: tuple[object, Callable[..., Client]]) -> None:
    proxy, open_client = through
    with open_client() as client:
        client.infer("echo", ROW)
        proxy.cut()
        getattr(client, "sleep", time.sleep)(1.0)
        assert client.infer("echo", ROW, idempotent=False)["y"].sum() == 4


def test_a_connection_that_is_no_tritons(proxies: Callable[..., object], server: TritonServer) -> None:
    for url in (server.grpc_url.replace("grpc", "http"), server.http_url.replace("http", "grpc"), server.metrics_url):
        with Client(url.removesuffix("/metrics"), timeout=2.0) as client, pytest.raises(ClientError) as caught:
            client.infer("echo", ROW)
        assert "\n" not in str(caught.value)
