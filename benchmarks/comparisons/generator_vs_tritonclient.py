"""The load generator over bare asyncio tritonclient: requests of one process by second of its CPU, small payload.

    python benchmarks/comparisons/generator_vs_tritonclient.py

Both send to the same server that does nothing, over gRPC, with the same number of requests in flight, in turn.
Locust's users, records and pulses are part of the generator's cost; tritonclient builds and reads each message.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.figures import generator_use, series_of
from benchmarks.generator import start_generator
from benchmarks.payloads import encode
from benchmarks.plan import LoadPlan
from benchmarks.run import measured_window, null_server

ROUNDS = 5
MODEL = "null"
TENSOR = np.zeros((1, 4), np.float32)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    theirs: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    with null_server() as urls:
        for number in range(ROUNDS):
            theirs.append(asyncio.run(_tritonclient(urls["grpc"], args.concurrency, args.seconds)))
            ours.append(_generator(urls["grpc"], args.concurrency, args.seconds))
            print(f"round {number + 1} of {ROUNDS}: {ours[-1][1] / theirs[-1][1]:.2f}")
    print(f"\n{'':<14}{'answers/s':>10}{'by second of CPU':>18}")
    for name, rounds in (("tritonclient", theirs), ("generator", ours)):
        rate, by_cpu = (statistics.median(pair[i] for pair in rounds) for i in (0, 1))
        print(f"{name:<14}{rate:>10.0f}{by_cpu:>18.0f}")
    ratios = [one[1] / other[1] for one, other in zip(ours, theirs, strict=True)]
    print(
        f"ratio by CPU {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}), medians of {ROUNDS} rounds"
    )


async def _tritonclient(url: str, concurrency: int, seconds: float) -> tuple[float, float]:
    """Answers a second and by second of CPU."""
    tensor = InferInput("x", list(TENSOR.shape), "FP32")
    tensor.set_data_from_numpy(TENSOR)
    count = 0
    async with InferenceServerClient(url.removeprefix("grpc://")) as client:
        await client.infer(MODEL, [tensor])
        until = time.monotonic() + seconds

        async def ask() -> None:
            nonlocal count
            while time.monotonic() < until:
                await client.infer(MODEL, [tensor])
                count += 1

        cpu = time.process_time()
        await asyncio.gather(*(ask() for _ in range(concurrency)))
        return count / seconds, count / (time.process_time() - cpu)


def _generator(url: str, concurrency: int, seconds: float) -> tuple[float, float]:
    """The same of the load generator."""
    plan = LoadPlan(model=MODEL, grpc_url=url, grpc_users=concurrency, seconds=seconds, warmup_seconds=0.5)
    with start_generator(plan, (encode(MODEL, {"x": TENSOR}),)) as generator:
        generator.wait_ready()
        window = measured_window(plan, generator.begin())
        generator.wait_until(window.end, lambda: None)
        generator.wait_done()
        rate = series_of(plan, "grpc", generator.records(), window).throughput
        return rate, rate / generator_use(generator.pulses(), window).cpu


if __name__ == "__main__":
    main()
