"""How memory and throughput grow with the number of models, of instances, and the size of a payload.

    python benchmarks/comparisons/growth.py models
    python benchmarks/comparisons/growth.py instances
    python benchmarks/comparisons/growth.py payload

Small ONNX networks on the local server; for every size the server's memory (proportional: a page that several
processes share counts once), how long it took to start, and the answers of a closed loop, sent to all models in turn.
The exponent k of figure ~ size^k is that between neighbouring rows and, below, of the whole; it bends where it changes
most.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.comparisons.alternating import Load
from benchmarks.comparisons.exponents import bend, exponent, steps
from benchmarks.comparisons.small_networks import INPUT, identity, perceptron, write_model
from benchmarks.payloads import encode
from tritonkit.server import ServerOptions, TritonServer

SIZES = {"models": (1, 5, 20), "instances": (1, 2, 4, 8), "payload": (1_000, 10_000, 100_000, 1_000_000, 10_000_000)}
ROUNDS = 5
_MEBIBYTE = 2**20
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one size came to.

    Attributes:
        size: models, instances, or bytes of a tensor.
        memory: of the server and its processes, in MiB.
        start: seconds until it was ready.
        rate: answers a second, median of the rounds.
        spread: the least and the most of them.
    """

    size: int
    memory: float
    start: float
    rate: float
    spread: tuple[float, float]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=SIZES)
    parser.add_argument("--sizes", type=int, nargs="+", help="other sizes")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=8, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    rows = []
    for size in args.sizes or SIZES[args.what]:
        rows.append(_measure(args.what, size, args.seconds, args.concurrency))
        print(f"{args.what} {size:,} is done", flush=True)
    _print(args.what, rows)
    print(
        f"\nmedians of {ROUNDS} rounds of {args.seconds:g} s, one before them left out; gRPC, concurrency "
        f"{args.concurrency}; server and client share\n{psutil.cpu_count()} cores of this machine"
    )


def _measure(what: str, size: int, seconds: float, concurrency: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"model_{number:02}" for number in range(size if what == "models" else 1)]
        for name in names:
            if what == "payload":
                write_model(Path(folder) / name, identity(), dims=-1)
            else:
                instances = size if what == "instances" else 1
                write_model(Path(folder) / name, perceptron(512, 4), dims=512, instances=instances)
        began = time.monotonic()
        with TritonServer(ServerOptions(folder)) as server:
            start = time.monotonic() - began
            width = size // _FLOAT_BYTES if what == "payload" else 512
            tensor = np.random.default_rng(0).random((1, width), dtype=np.float32)
            requests = tuple(encode(name, {INPUT: tensor}) for name in names)
            load = Load(url=server.grpc_url, model=names[0], requests=requests, concurrency=concurrency)
            rates = [load.run(server, seconds)[0].rate for _ in range(ROUNDS + 1)][1:]
            memory = _memory(server.pid) / _MEBIBYTE
    return Row(size=size, memory=memory, start=start, rate=statistics.median(rates), spread=(min(rates), max(rates)))


def _memory(pid: int) -> float:
    """Bytes of a process and its descendants; what some of them share is divided among them."""
    process = psutil.Process(pid)
    return float(sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True))))


def _print(what: str, rows: list[Row]) -> None:
    figures = {
        "memory": [row.memory for row in rows],
        "start": [row.start for row in rows],
        "answers": [row.rate for row in rows],
    }
    sizes = [row.size for row in rows]
    slopes = {name: [float("nan"), *steps(sizes, values)] for name, values in figures.items()}
    print(
        f"\n{what:>12}{'MiB':>9}{'k':>7}{'start s':>9}{'k':>7}{'answers/s':>11}  {'(least-most)':<18}{'k':>6}{'MB/s':>8}"
    )
    for number, row in enumerate(rows):
        k = {name: f"{values[number]:.2f}" if number else "" for name, values in slopes.items()}
        volume = f"{row.size * row.rate / 1e6:.0f}" if what == "payload" else ""
        spread = f"({row.spread[0]:.0f}-{row.spread[1]:.0f})"
        print(
            f"{row.size:>12,}{row.memory:>9.0f}{k['memory']:>7}{row.start:>9.1f}{k['start']:>7}{row.rate:>11.0f}"
            f"  {spread:<18}{k['answers']:>6}{volume:>8}"
        )
    for name, values in figures.items():
        turn = bend(sizes, values)
        print(
            f"{name}: exponent {exponent(sizes, values):.2f} in all; "
            + (f"it bends at {turn:,.0f}" if turn is not None else "no bend")
        )


if __name__ == "__main__":
    main()
