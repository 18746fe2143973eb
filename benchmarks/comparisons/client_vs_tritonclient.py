"""The kit's client against raw tritonclient: the same calls, to the same server, in one run.

    python -m benchmarks.comparisons.client_vs_tritonclient

Starts a server with an identity model, unless `--grpc` and `--http` name one that serves it, and prints a table of
ratios: how many calls a second the kit's client makes for each one of tritonclient's. Both sides make the input object
anew for each call and turn the answer into an array; the kit's side also checks the request, keeps a deadline and
stands ready to retry. The two sides take turns ten times in each of five rounds, so that a slow moment of the machine
meets both; the ratio is the median of the rounds, the spread their least and greatest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as raw_grpc
import tritonclient.grpc.aio as raw_grpc_aio
import tritonclient.http as raw_http
import tritonclient.http.aio as raw_http_aio

from clients import AsyncClient, Client

MODEL = "identity"
ROUNDS = 5
TURNS = 10
DEADLINE = 5.0

CONFIG = """backend: "python"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [-1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""

CODE = """import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        inputs = (pb_utils.get_input_tensor_by_name(request, "x") for request in requests)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", tensor.as_numpy())]) for tensor in inputs]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The same call by both clients.

    Attributes:
        raw: makes that many calls by tritonclient and returns the seconds.
        kit: the same by the kit's client.
        close: closes both.
    """

    raw: Callable[[int], float]
    kit: Callable[[int], float]
    close: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table.

    Attributes:
        name: protocol, style and size.
        floor: the least ratio that is good enough.
        open: makes the two clients.
    """

    name: str
    floor: float
    open: Callable[[], Sides]


def main() -> int:
    """Runs the comparison; exit code 1 if a ratio is below its floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grpc", help="HOST:PORT of a server with the identity model")
    parser.add_argument("--http", help="its HTTP HOST:PORT")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one round (default: 1)")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, shared by server and clients; Python {sys.version.split()[0]}")
    print(f"{'case':34}{'raw/s':>9}{'kit/s':>9}{'ratio':>8}{'spread':>14}{'floor':>7}")
    good = True
    with _server(args) as (grpc_address, http_address), asyncio.Runner() as runner:
        for case in _cases(grpc_address, http_address, runner):
            if args.only in case.name:
                good = _run(case, args.seconds) and good
    return 0 if good else 1


@contextmanager
def _server(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if args.grpc and args.http:
        yield args.grpc, args.http
        return
    from tritonkit.server import ServerOptions, TritonServer  # noqa: PLC0415 - not needed for a server that runs

    with tempfile.TemporaryDirectory() as folder:
        version = Path(folder) / MODEL / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(CODE)
        (version.parent / "config.pbtxt").write_text(CONFIG)
        with TritonServer(ServerOptions(folder)) as server:
            yield server.grpc_url.removeprefix("grpc://"), server.http_url.removeprefix("http://")


def _run(case: Case, seconds: float) -> bool:
    """Measures one case and prints its line."""
    sides = case.open()
    sides.kit(20)
    per_call = sides.raw(20) / 20
    calls = max(16, int(seconds / per_call / TURNS))
    raw, kit, ratios = [], [], []
    for _ in range(ROUNDS):
        seconds_raw = seconds_kit = 0.0
        for _ in range(TURNS):
            seconds_raw += sides.raw(calls)
            seconds_kit += sides.kit(calls)
        raw.append(calls * TURNS / seconds_raw)
        kit.append(calls * TURNS / seconds_kit)
        ratios.append(seconds_raw / seconds_kit)
    sides.close()
    ratio = statistics.median(ratios)
    figures = f"{statistics.median(raw):9.0f}{statistics.median(kit):9.0f}{ratio:8.2f}"
    spread = f"{min(ratios):.2f}..{max(ratios):.2f}"
    print(f"{case.name:34}{figures}{spread:>14}{case.floor:7.2f}", flush=True)
    return ratio >= case.floor


def _cases(grpc_address: str, http_address: str, runner: asyncio.Runner) -> Iterator[Case]:
    tiny, large = np.ones((1, 4), np.float32), np.ones((1, 150_000), np.float32)
    for size, array in (("16 B", tiny), ("600 KB", large)):
        yield Case(name=f"gRPC, blocking, {size}", floor=0.95, open=partial(_blocking_grpc, grpc_address, array))
        yield Case(name=f"HTTP, blocking, {size}", floor=0.95, open=partial(_blocking_http, http_address, array))
        floor = 0.85 if array is tiny else 0.95
        for concurrency in (1, 8):
            name = f"asyncio x{concurrency}, {size}"
            both = (array, concurrency, runner)
            yield Case(name=f"gRPC, {name}", floor=floor, open=partial(_async_grpc, grpc_address, *both))
            yield Case(name=f"HTTP, {name}", floor=floor, open=partial(_async_http, http_address, *both))


def _timed(call: Callable[[], Any]) -> Callable[[int], float]:
    def run(calls: int) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - began

    return run


def _blocking_grpc(address: str, array: Any) -> Sides:
    raw, kit = raw_grpc.InferenceServerClient(address), Client(f"grpc://{address}", timeout=DEADLINE)

    def raw_call() -> Any:
        tensor = raw_grpc.InferInput("x", list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        return raw.infer(MODEL, [tensor], client_timeout=DEADLINE).as_numpy("y")

    def close() -> None:
        raw.close()
        kit.close()

    return Sides(raw=_timed(raw_call), kit=_timed(lambda: kit.infer(MODEL, {"x": array})["y"]), close=close)


def _blocking_http(address: str, array: Any) -> Sides:
    raw = raw_http.InferenceServerClient(address, network_timeout=DEADLINE)
    kit = Client(f"http://{address}", timeout=DEADLINE)

    def raw_call() -> Any:
        tensor = raw_http.InferInput("x", list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        return raw.infer(MODEL, [tensor]).as_numpy("y")

    def close() -> None:
        raw.close()
        kit.close()

    return Sides(raw=_timed(raw_call), kit=_timed(lambda: kit.infer(MODEL, {"x": array})["y"]), close=close)


def _timed_async(
    call: Callable[[], Awaitable[Any]], concurrency: int, runner: asyncio.Runner
) -> Callable[[int], float]:
    async def worker(calls: int) -> None:
        for _ in range(calls):
            await call()

    async def run(calls: int) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(worker(calls // concurrency) for _ in range(concurrency)))
        return time.perf_counter() - began

    return lambda calls: runner.run(run(calls))


def _async_grpc(address: str, array: Any, concurrency: int, runner: asyncio.Runner) -> Sides:
    async def open_both() -> tuple[Any, AsyncClient]:
        return raw_grpc_aio.InferenceServerClient(address), AsyncClient(f"grpc://{address}", timeout=DEADLINE)

    raw, kit = runner.run(open_both())

    async def raw_call() -> Any:
        tensor = raw_grpc.InferInput("x", list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        return (await raw.infer(MODEL, [tensor], client_timeout=DEADLINE)).as_numpy("y")

    async def kit_call() -> Any:
        return (await kit.infer(MODEL, {"x": array}))["y"]

    async def close() -> None:
        await raw.close()
        await kit.close()

    return Sides(
        raw=_timed_async(raw_call, concurrency, runner),
        kit=_timed_async(kit_call, concurrency, runner),
        close=lambda: runner.run(close()),
    )


def _async_http(address: str, array: Any, concurrency: int, runner: asyncio.Runner) -> Sides:
    async def open_both() -> tuple[Any, AsyncClient]:
        return raw_http_aio.InferenceServerClient(address), AsyncClient(f"http://{address}", timeout=DEADLINE)

    raw, kit = runner.run(open_both())

    async def raw_call() -> Any:
        tensor = raw_http.InferInput("x", list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        return (await raw.infer(MODEL, [tensor])).as_numpy("y")

    async def kit_call() -> Any:
        return (await kit.infer(MODEL, {"x": array}))["y"]

    async def close() -> None:
        await raw.close()
        await kit.close()

    return Sides(
        raw=_timed_async(raw_call, concurrency, runner),
        kit=_timed_async(kit_call, concurrency, runner),
        close=lambda: runner.run(close()),
    )


if __name__ == "__main__":
    sys.exit(main())
