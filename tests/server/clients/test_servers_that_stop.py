"""Servers that stop, die, hang and come back, under a client at work.

Each test states its figure, and prints what was measured. Limits on the clock are wide where a busy machine could break
them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import (
    AsyncClient,
    Breaker,
    CircuitOpenError,
    Client,
    ClientError,
    DeadlineError,
    Hedge,
    Retry,
    SequenceLostError,
    Timeout,
    UnavailableError,
)
from tests.server_counts import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]
ROW = {"x": np.ones((1, 4), np.float32)}


# Seconds that a call may last beyond its deadline; on an idle machine it is a few milliseconds.
LATE = 5.0


class Load:
    """Calls without a pause in some threads, blocking and asyncio; keeps what failed."""

    def __init__(self, client: Client, urls: list[str], threads: int) -> None:
        self.done = 0
        self.awaited = 0
        self.failures: list[ClientError] = []
        self.endpoints: dict[str, float] = {}
        self._stop = threading.Event()
        self._client = client
        self._threads = [threading.Thread(target=self._work) for _ in range(threads)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._await(urls))))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
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

    async def _await(self, urls: list[str]) -> None:
        async with AsyncClient(urls) as client:
            while not self._stop.is_set():
                try:
                    await client.infer("echo", ROW)
                except ClientError as error:
                    self.failures.append(error)
                else:
                    self.awaited += 1
                await asyncio.sleep(0.002)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_sigterm_of_one_of_two_servers_fails_no_call(
    own_server: Callable[..., TritonServer], address: Callable[..., str], protocol: str
) -> None:
    """0 failed calls; the server leaves in good order, which over HTTP needs its connections let go."""
    servers = [own_server("echo", exit_timeout_seconds=40) for _ in range(2)]
    urls = [address(server, protocol) for server in servers]
    with Client(urls) as client:
        load = Load(client, urls, threads=4)
        eventually(lambda: len(load.endpoints) == 2 and load.awaited > 20)
        exit_info = servers[0].stop()
        before = (load.done, load.awaited)
        # The calls go on.
        eventually(lambda: load.done > before[0] + 100 and load.awaited > before[1] + 20)
        load.stop()
    print(f"{load.done} calls and {load.awaited} under asyncio, {len(load.failures)} failed, server: {exit_info}")
    assert not load.failures
    assert exit_info.code == 0
    assert exit_info.seconds < 40


def test_an_idle_client_does_not_keep_a_server_from_stopping(own_server: Callable[..., TritonServer]) -> None:
    """Stops in less than half of its 60 s with exit code 0; idle keep-alive connections would cost all 60."""
    server = own_server("echo", exit_timeout_seconds=60)
    with Client(server.http_url) as client:
        client.infer("echo", ROW)
        exit_info = server.stop()
    print(f"stopped after {exit_info.seconds:.1f} s: {exit_info.explanation}")
    assert (exit_info.code, exit_info.seconds < 30) == (0, True)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("outage", [1.0, pytest.param(15.0, marks=pytest.mark.slow)])
def test_a_client_works_within_a_second_of_the_servers_return(
    own_server: Callable[..., TritonServer],
    address: Callable[..., str],
    open_client: Callable[..., Client],
    protocol: str,
    outage: float,
) -> None:
    """SIGKILL, an outage under calls, a restart; the first good call comes within 1 s of ready.

    Three times at most: a late return that is the client's own comes back each time, one of a busy machine does not.
    """
    server = own_server("echo")
    returned: list[float] = []
    with open_client(address(server, protocol), retry=Retry(attempts=1)) as client:
        client.infer("echo", ROW, timeout=60)
        while len(returned) < 3 and (not returned or returned[-1] >= 1.0):
            returned.append(_return_of(client, server, outage))
    assert min(returned) < 1.0, returned


def _return_of(client: Client, server: TritonServer, outage: float) -> float:
    """Seconds from the server's being ready again to the first good call."""
    os.kill(server.pid, signal.SIGKILL)
    ready_at: list[float] = []

    def restart() -> None:
        time.sleep(outage)
        server.restart()
        ready_at.append(time.monotonic())

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
    return works_at - ready_at[0]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_calls_to_a_hanging_server_end_at_the_deadline_and_the_breaker_opens(
    own_server: Callable[..., TritonServer], address: Callable[..., str], protocol: str
) -> None:
    """SIGSTOP for 5 s under calls: each ends at its deadline, then, the breaker open, at once; no thread is stuck."""
    server = own_server("echo")
    breaker = Breaker(failures=3, open_for=60.0, max_open_for=60.0)
    late: list[float] = []
    sent: list[int] = []
    refused: list[float] = []
    with Client(address(server, protocol), timeout=0.5, breaker=breaker) as client:
        client.infer("echo", ROW, timeout=60)

        def call() -> None:
            while time.monotonic() < until:
                began = time.monotonic()
                try:
                    client.infer("echo", ROW)
                except DeadlineError:
                    late.append(time.monotonic() - began - 0.5)
                except CircuitOpenError as error:
                    sent.append(error.attempt)
                    refused.append(time.monotonic() - began)
                    time.sleep(0.02)

        threads = [threading.Thread(target=call) for _ in range(4)]
        os.kill(server.pid, signal.SIGSTOP)
        try:
            until = time.monotonic() + 5
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    print(
        f"{len(late)} calls ended {max(late) * 1000:.0f} ms after their deadline at most; then {len(refused)} were "
        f"refused in {statistics.median(refused) * 1000:.2f} ms"
    )
    assert not any(thread.is_alive() for thread in threads)
    assert not any(sent), "a refused call is not sent"
    assert 3 <= len(late) <= 3 + 4
    assert 0 <= max(late) < LATE
    assert statistics.median(refused) < 0.05


def test_a_hanging_server_among_two_costs_one_attempt(
    own_server: Callable[..., TritonServer], address: Callable[..., str]
) -> None:
    """With two servers and a limit for each attempt, no call fails while one server hangs."""
    servers = [own_server("echo") for _ in range(2)]
    timeout = Timeout(call=30.0, attempt=1.0)
    with Client([server.grpc_url for server in servers], timeout=timeout) as client:
        client.infer("echo", ROW)
        os.kill(servers[0].pid, signal.SIGSTOP)
        try:
            answers = [client.infer("echo", ROW) for _ in range(40)]
        finally:
            os.kill(servers[0].pid, signal.SIGCONT)
    twice = [answer for answer in answers if answer.attempts > 1]
    print(f"{len(answers)} calls, {len(twice)} of them in two attempts, 0 failed")
    assert {answer.endpoint for answer in answers} == {servers[1].grpc_url}
    assert 1 <= len(twice) <= 4


def test_a_hedged_call_does_not_wait_for_a_hanging_server(
    own_server: Callable[..., TritonServer], open_client: Callable[..., Client]
) -> None:
    """One of two servers hangs: its calls are answered by the other after the hedge's delay, not at the deadline."""
    servers = [own_server("echo") for _ in range(2)]
    hedge = Hedge(after=0.1, budget=1.0)
    with open_client([server.grpc_url for server in servers], timeout=60.0, hedge=hedge) as client:
        client.infer("echo", ROW)
        os.kill(servers[0].pid, signal.SIGSTOP)
        try:
            answers = [client.infer("echo", ROW) for _ in range(10)]
        finally:
            os.kill(servers[0].pid, signal.SIGCONT)
        hedges = client.counts().hedges
    longest = max(answer.timing.total for answer in answers)
    print(f"{len(answers)} calls, {hedges} hedged, the longest took {longest:.2f} s of 60 s")
    assert {answer.endpoint for answer in answers} == {servers[1].grpc_url}
    assert hedges >= 1
    assert longest < 30


def test_a_dead_python_process_is_told_and_a_reload_heals_it(own_server: Callable[..., TritonServer]) -> None:
    """The model's process is killed; the next call says what died and what helps, and the server still is ready."""
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
