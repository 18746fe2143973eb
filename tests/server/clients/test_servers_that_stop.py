"""Servers that stop, die, hang and come back, under a client at work. Each test states its figure."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import (
    Breaker,
    CircuitOpenError,
    Client,
    ClientError,
    DeadlineError,
    Retry,
    SequenceLostError,
    Timeout,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]
ROW = {"x": np.ones((1, 4), np.float32)}


class Load:
    """Calls without a pause in some threads; keeps what failed."""

    def __init__(self, client: Client, threads: int) -> None:
        self.done = 0
        self.failures: list[ClientError] = []
        self.endpoints: dict[str, float] = {}
        self._stop = threading.Event()
        self._client = client
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a thread is stuck"

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                answer = self._client.infer("echo", ROW)
            except ClientError as error:
                self.failures.append(error)
            else:
                self.done += 1
                self.endpoints[answer.endpoint] = time.monotonic()
            time.sleep(0.002)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_sigterm_of_one_of_two_servers_fails_no_call(
    own_server: Callable[..., TritonServer], address: Callable[..., str], protocol: str
) -> None:
    """B1: 0 failed calls; the server leaves in good order, which over HTTP needs its connections let go."""
    servers = [own_server("echo", exit_timeout_seconds=15) for _ in range(2)]
    with Client([address(server, protocol) for server in servers]) as client:
        load = Load(client, threads=4)
        time.sleep(1.0)
        assert len(load.endpoints) == 2
        exit_info = servers[0].stop()
        before = load.done
        time.sleep(1.0)
        load.stop()
    print(f"{load.done} calls, {len(load.failures)} failed, server: {exit_info}")
    assert not load.failures
    assert load.done > before, "the calls went on"
    assert exit_info.code == 0
    assert exit_info.seconds < 15


def test_an_idle_client_does_not_keep_a_server_from_stopping(own_server: Callable[..., TritonServer]) -> None:
    """B2: stops in less than 10 s of its 30 with exit code 0; idle keep-alive connections would cost all 30."""
    server = own_server("echo", exit_timeout_seconds=30)
    with Client(server.http_url) as client:
        client.infer("echo", ROW)
        exit_info = server.stop()
    print(f"stopped after {exit_info.seconds:.1f} s: {exit_info.explanation}")
    assert (exit_info.code, exit_info.seconds < 10) == (0, True)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("outage", [1.0, pytest.param(15.0, marks=pytest.mark.slow)])
def test_a_client_works_within_a_second_of_the_servers_return(
    own_server: Callable[..., TritonServer], address: Callable[..., str], protocol: str, outage: float
) -> None:
    """B3: SIGKILL, an outage under calls, a restart; the first good call comes within 1 s of ready."""
    server = own_server("echo")
    with Client(address(server, protocol), retry=Retry(attempts=1)) as client:
        client.infer("echo", ROW)
        os.kill(server.pid, signal.SIGKILL)
        back = threading.Event()
        ready_at: list[float] = []

        def restart() -> None:
            time.sleep(outage)
            server.restart()
            ready_at.append(time.monotonic())
            back.set()

        thread = threading.Thread(target=restart)
        thread.start()
        failed = 0
        works_at = 0.0
        while not works_at:
            try:
                client.infer("echo", ROW, timeout=1.0)
                works_at = time.monotonic()
            except (UnavailableError, DeadlineError):
                failed += 1
                assert failed < 10_000
                time.sleep(0.05)
        thread.join()
    print(f"{failed} calls failed meanwhile; the first good one {works_at - ready_at[0]:+.2f} s after ready")
    assert works_at - ready_at[0] < 1.0


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_calls_to_a_hanging_server_end_at_the_deadline_and_the_breaker_opens(
    own_server: Callable[..., TritonServer], address: Callable[..., str], protocol: str
) -> None:
    """B4: SIGSTOP; each call ends within 0.3 s of its deadline, then calls end in less than 10 ms."""
    server = own_server("echo")
    breaker = Breaker(failures=3, open_for=30.0)
    with Client(address(server, protocol), timeout=0.5, breaker=breaker) as client:
        client.infer("echo", ROW)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(DeadlineError):
                    client.infer("echo", ROW)
                assert 0.5 <= time.monotonic() - began < 0.8
            began = time.monotonic()
            with pytest.raises(CircuitOpenError):
                client.infer("echo", ROW)
            assert time.monotonic() - began < 0.01
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_a_hanging_server_among_two_costs_one_attempt(
    own_server: Callable[..., TritonServer], address: Callable[..., str]
) -> None:
    """B4 with two servers: with a limit for each attempt, no call fails while one server hangs."""
    servers = [own_server("echo") for _ in range(2)]
    timeout = Timeout(call=3.0, attempt=0.3)
    with Client([server.grpc_url for server in servers], timeout=timeout) as client:
        client.infer("echo", ROW)
        os.kill(servers[0].pid, signal.SIGSTOP)
        try:
            answers = [client.infer("echo", ROW) for _ in range(40)]
        finally:
            os.kill(servers[0].pid, signal.SIGCONT)
    slow = [answer for answer in answers if answer.timing.total > 0.25]
    assert {answer.endpoint for answer in answers} == {servers[1].grpc_url}
    assert 1 <= len(slow) <= 4


def test_a_dead_python_process_is_told_and_a_reload_heals_it(own_server: Callable[..., TritonServer]) -> None:
    """B5: the model's process is killed; the next call says what died and what helps, and the server still is ready."""
    server = own_server("mortal", "echo")
    with Client(server.grpc_url, retry=Retry(attempts=1)) as client:
        with pytest.raises(ClientError):
            client.infer("mortal", {"x": np.array([-1], np.float32)})
        with pytest.raises(UnavailableError, match="unload and load") as caught:
            client.infer("mortal", {"x": np.array([1], np.float32)})
        assert caught.value.retryable
        assert client.ready(), "Triton 2.51 does not notice: only an inference tells"
        assert client.infer("echo", ROW)["y"].sum() == 4
        client.unload("mortal")
        client.load("mortal")
        assert client.infer("mortal", {"x": np.array([1], np.float32)})["y"] == 1


def test_a_sequence_ends_with_its_server(own_server: Callable[..., TritonServer]) -> None:
    """A sequence is never moved or repeated: its state is gone with the server."""
    servers = [own_server("sums") for _ in range(2)]
    with Client([server.grpc_url for server in servers]) as client, client.sequence("sums") as sequence:
        answer = sequence.infer({"x": np.array([[1]], np.float32)})
        (home,) = (server for server in servers if server.grpc_url == answer.endpoint)
        os.kill(home.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(SequenceLostError):
                sequence.infer({"x": np.array([[1]], np.float32)})
        assert client.counts().retries == 0
