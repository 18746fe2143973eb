"""What the comparisons share: the same work served and in process, in turn, in one run; medians, spread and cores.

Taken in turn, both sides see the same neighbours on the machine. The server stays up during the baseline's rounds,
idle; the baseline's processes stay up during the server's, waiting for a line.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import grpc
import psutil

from clients.addresses import parse_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.payloads import EncodedRequest
    from tritonkit.server import ServerEnvironment, TritonServer

ROUNDS = 5
_DEADLINE_SECONDS = 60.0
_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One side's share of one round: answers a second, and the cores that were busy for it."""

    rate: float
    cores: float


class Workers:
    """Processes of the server's own Python that do the work, when told, without a server.

    Each runs `script` with `arguments`; told a number of seconds on a line, it works for as long and prints how many
    answers it made and how long that took.
    """

    def __init__(self, script: Path, arguments: dict[str, Any], *, count: int, environment: ServerEnvironment) -> None:
        command = [str(environment.python), "-I", str(script), json.dumps(arguments)]
        self._processes = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment.variables()
            )
            for _ in range(count)
        ]

    def work(self, seconds: float) -> Measured:
        """Lets all work at once for `seconds`."""
        before = self._cpu()
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101 - it was opened as a pipe
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        rate, longest = 0.0, seconds
        for process in self._processes:
            assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
            answers, elapsed = json.loads(process.stdout.readline())
            rate += answers / elapsed
            longest = max(longest, elapsed)
        return Measured(rate=rate, cores=(self._cpu() - before) / longest)

    def _cpu(self) -> float:
        return sum(_cpu_of(process.pid) for process in self._processes)

    def close(self) -> None:
        """Ends them."""
        for process in self._processes:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def workers(
    script: Path, arguments: dict[str, Any], *, count: int, environment: ServerEnvironment
) -> Iterator[Workers]:
    """`Workers`, ended with the block."""
    running = Workers(script, arguments, count=count, environment=environment)
    try:
        yield running
    finally:
        running.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A closed loop of the cheapest honest generator: threads that send encoded bytes and wait, nothing else."""

    url: str
    model: str
    requests: Sequence[EncodedRequest]
    concurrency: int

    def run(self, server: TritonServer, seconds: float) -> tuple[Measured, float]:
        """Sends for `seconds`; answers a second, the server's cores, and the cores of this process.

        Raises:
            RuntimeError: a request failed.
        """
        turn = itertools.cycle(self.requests)
        counts: list[int] = []
        failures: list[BaseException] = []
        before, own, began = _cpu_of(server.pid), time.process_time(), time.monotonic()
        threads = [
            threading.Thread(target=self._send, args=(turn, began + seconds, counts, failures))
            for _ in range(self.concurrency)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # The last answers come after the time is up: they count, with the time that they took.
        elapsed = time.monotonic() - began
        if failures:
            raise RuntimeError(f"a request failed: {failures[0]}")
        measured = Measured(rate=sum(counts) / elapsed, cores=(_cpu_of(server.pid) - before) / elapsed)
        return measured, (time.process_time() - own) / elapsed

    def _send(
        self, turn: Iterator[EncodedRequest], until: float, counts: list[int], failures: list[BaseException]
    ) -> None:
        try:
            with self._caller() as call:
                count = 0
                while time.monotonic() < until:
                    call(next(turn))
                    count += 1
            counts.append(count)
        except (grpc.RpcError, OSError, RuntimeError) as error:
            failures.append(error)

    @contextlib.contextmanager
    def _caller(self) -> Iterator[Callable[[EncodedRequest], object]]:
        address = parse_address(self.url)
        if address.scheme == "grpc":
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
            with grpc.insecure_channel(address.netloc, options=options) as channel:
                infer: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)
                yield lambda request: infer(request.grpc, timeout=_DEADLINE_SECONDS)
            return
        connection = HTTPConnection(address.host, address.port, timeout=_DEADLINE_SECONDS)
        path = f"/v2/models/{self.model}/infer"

        def post(request: EncodedRequest) -> None:
            connection.request("POST", path, request.http, {_HEADER: str(request.http_header_length)})
            with connection.getresponse() as answer:
                body = answer.read()
                if answer.status != 200:
                    raise RuntimeError(body[:200].decode(errors="replace"))

        with contextlib.closing(connection):
            yield post


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process and all its descendants so far."""
    total = 0.0
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def compare_in_turn(
    server: TritonServer, baseline: Workers, loads: dict[str, Load], *, seconds: float, rounds: int = ROUNDS
) -> None:
    """Warms both sides up, measures them in turn and prints one row for each load and its ratio to the baseline."""
    baseline.work(seconds / 2)
    for load in loads.values():
        load.run(server, seconds / 2)
    bases: list[Measured] = []
    served: dict[str, list[Measured]] = {name: [] for name in loads}
    own: dict[str, list[float]] = {name: [] for name in loads}
    ratios: dict[str, list[float]] = {name: [] for name in loads}
    for number in range(rounds):
        bases.append(baseline.work(seconds))
        for name, load in loads.items():
            measured, client_cores = load.run(server, seconds)
            served[name].append(measured)
            own[name].append(client_cores)
            ratios[name].append(measured.rate / bases[-1].rate)
        print(f"round {number + 1} of {rounds}: " + ", ".join(f"{name} {ratios[name][-1]:.2f}" for name in loads))
    print()
    print(
        f"{'':<12}{'answers/s':>10}  {'(least-most)':<16}{'cores':>6}{'client':>8}{'a core':>8}{'ratio':>8}  (least-most)"
    )
    print(f"{'in process':<12}{_rates(bases)}{_median(bases, _cores):>6.2f}{'':>8}{_median(bases, _a_core):>8.1f}")
    for name in loads:
        low, high = min(ratios[name]), max(ratios[name])
        print(
            f"{name:<12}{_rates(served[name])}{_median(served[name], _cores):>6.2f}{statistics.median(own[name]):>8.2f}"
            f"{_median(served[name], _a_core):>8.1f}{statistics.median(ratios[name]):>8.3f}  ({low:.2f}-{high:.2f})"
        )
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "all"
    print(
        f"\nmedians of {rounds} rounds of {seconds:g} s, one half of a round before them left out; server, client and "
        f"baseline share cores {allowed}\nof this machine; the ratio is that of each round to its own baseline; "
        "`a core`: answers by second of CPU that the\nside itself had, which holds on a machine with other work too"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of several ways to be served, and the load that is put on it.

    Attributes:
        name: what the table calls it.
        server: serves it; several sides may share one.
        load: is sent to it.
    """

    name: str
    server: TritonServer
    load: Load


def rounds_in_turn(sides: Sequence[Side], *, seconds: float, rounds: int = ROUNDS) -> dict[str, list[Measured]]:
    """Every side's share of each round, by its name, after half a round that counts for nothing."""
    for side in sides:
        side.load.run(side.server, seconds / 2)
    measured: dict[str, list[Measured]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides:
            measured[side.name].append(side.load.run(side.server, seconds)[0])
        print(f"round {number + 1} of {rounds} is done", flush=True)
    return measured


def compare_served(sides: Sequence[Side], *, seconds: float, rounds: int = ROUNDS) -> dict[str, float]:
    """Measures the sides in turn and prints, for each, how much it answers for each answer of the first one.

    Returns:
        The median over the rounds of that ratio, by the side's name.
    """
    measured = rounds_in_turn(sides, seconds=seconds, rounds=rounds)
    wide = max(len(side.name) for side in sides)
    print(f"\n{'':<{wide}}{'answers/s':>10}  {'(least-most)':<16}{'cores':>6}{'a core':>8}{'ratio':>8}  (least-most)")
    medians = {}
    for name, each in measured.items():
        ratios = [one.rate / first.rate for one, first in zip(each, measured[sides[0].name], strict=True)]
        medians[name] = statistics.median(ratios)
        print(
            f"{name:<{wide}}{_rates(each)}{_median(each, _cores):>6.2f}{_median(each, _a_core):>8.1f}"
            f"{medians[name]:>8.3f}  ({min(ratios):.2f}-{max(ratios):.2f})"
        )
    print(
        f"\nmedians of {rounds} rounds of {seconds:g} s, one half of a round before them left out; {_where()};\n"
        "the ratio is that of each round to the first side in it; `a core`: answers by second of the server's CPU"
    )
    return medians


def _where() -> str:
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else "all"
    return f"server and client share cores {allowed} of this machine"


def _cores(one: Measured) -> float:
    return one.cores


def _a_core(one: Measured) -> float:
    return one.rate / one.cores


def _rates(measured: list[Measured]) -> str:
    rates = [one.rate for one in measured]
    spread = f"({min(rates):.1f}-{max(rates):.1f})"
    return f"{statistics.median(rates):>10.1f}  {spread:<16}"


def _median(measured: list[Measured], figure: Callable[[Measured], float]) -> float:
    return statistics.median(figure(one) for one in measured)
