"""Delays, resets, half-open connections and dripping bytes between client and server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import Client, ClientError, DeadlineError, Retry, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server
ROW = {"x": np.ones((1, 4), np.float32)}


def executed(server: TritonServer) -> int:
    with Client(server.http_url) as client:
        return client.statistics("echo")[0].executions


@pytest.fixture
def through(
    server: TritonServer, protocol: str, url: str, proxies: Callable[..., object]
) -> tuple[object, Callable[..., Client]]:
    """A proxy before the shared server, and what opens a client through it."""
    proxy = proxies(url)
    return proxy, lambda **options: Client(f"{protocol}://127.0.0.1:{proxy.port}", **options)


def test_a_delay_is_only_a_delay(through: tuple[object, Callable[..., Client]]) -> None:
    proxy, open_client = through
    proxy.delay = 0.1
    with open_client() as client:
        assert client.infer("echo", ROW).timing.total > 0.2


def test_a_half_open_connection_ends_at_the_deadline(through: tuple[object, Callable[..., Client]]) -> None:
    """B6: within 0.3 s of the deadline."""
    proxy, open_client = through
    with open_client(timeout=0.6) as client:
        client.infer("echo", ROW)
        proxy.mode = "hold"
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            client.infer("echo", ROW)
        assert time.monotonic() - began < 0.9
        proxy.mode = "pass"
        assert client.infer("echo", ROW, timeout=5)["y"].sum() == 4


def test_an_answer_that_drips_in_ends_at_the_deadline_too(through: tuple[object, Callable[..., Client]]) -> None:
    """B6: a byte now and then does not extend the call."""
    proxy, open_client = through
    with open_client(timeout=0.8) as client:
        client.infer("echo", ROW, timeout=5)
        proxy.mode = "drip"
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            client.infer("echo", ROW)
        assert time.monotonic() - began < 1.1


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_reset_after_the_bytes_were_sent(
    server: TritonServer, through: tuple[object, Callable[..., Client]], idempotent: bool
) -> None:
    """B6: one error type; sent once if the call must not be executed twice, else three times at most."""
    proxy, open_client = through
    with open_client(retry=Retry(backoff=0.01, max_backoff=0.05)) as client:
        client.infer("echo", ROW)
        before = executed(server)
        proxy.mode = "reset"
        with pytest.raises(UnavailableError) as caught:
            client.infer("echo", ROW, idempotent=idempotent)
        assert caught.value.attempt == (3 if idempotent else 1)
        assert executed(server) - before <= caught.value.attempt
        assert executed(server) > before, "the server had the bytes"
        proxy.mode = "pass"
        time.sleep(1.0)  # gRPC connects again within this time
        assert client.infer("echo", ROW)["y"].sum() == 4


def test_refused_connections(through: tuple[object, Callable[..., Client]]) -> None:
    proxy, open_client = through
    proxy.mode = "refuse"
    with open_client(timeout=2.0) as client:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            client.infer("echo", ROW)
        assert time.monotonic() - began < 2.2


def test_an_idle_connection_that_was_reset_costs_no_call(through: tuple[object, Callable[..., Client]]) -> None:
    proxy, open_client = through
    with open_client() as client:
        client.infer("echo", ROW)
        proxy.cut()
        time.sleep(0.3)
        assert client.infer("echo", ROW, idempotent=False)["y"].sum() == 4


def test_a_connection_that_is_no_tritons(proxies: Callable[..., object], server: TritonServer) -> None:
    for url in (server.grpc_url.replace("grpc", "http"), server.http_url.replace("http", "grpc"), server.metrics_url):
        with Client(url.removesuffix("/metrics"), timeout=2.0) as client, pytest.raises(ClientError) as caught:
            client.infer("echo", ROW)
        assert "\n" not in str(caught.value)
