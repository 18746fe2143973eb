"""What dynamic batching and further instances bring on this machine, and where they stop paying.

    python benchmarks/comparisons/batching_and_instances.py
    python benchmarks/comparisons/batching_and_instances.py --model out/efficientnet_lite0/repository/NETWORK

Without `--model`, a perceptron of 16 MB of weights, which one request reads as a whole: a batch reads them once for
all, so batching pays as much as it can on a processor. `--model` names a model folder of the ONNX Runtime backend.
Every combination is served by one server, one thread an instance, and sent the same closed loop in turn.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from pathlib import Path

from benchmarks.comparisons.alternating import Load, Side, compare_served
from benchmarks.comparisons.small_networks import perceptron, write_model
from benchmarks.payloads import make_requests
from benchmarks.plan import LoadPlan
from benchmarks.served_model import read_served_model
from benchmarks.tune.built import THREADS
from tritonkit.repository.config import read_config, write_config
from tritonkit.server import ServerOptions, TritonServer

PAYS = 1.05
"""A gain below this is not worth a copy of the network, or the wait for a batch."""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model folder (default: a perceptron)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16], help="largest batches; 1 is no batcher")
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2, 3], help="(default: 1 2 3)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    grid = list(itertools.product(args.batches, args.instances))
    with tempfile.TemporaryDirectory() as folder:
        names = {(batch, count): f"batch_{batch}_instances_{count}" for batch, count in grid}
        for (batch, count), name in names.items():
            _write(Path(folder) / name, args.model, batch=batch, instances=count)
        with TritonServer(ServerOptions(folder)) as server:
            sides = [
                Side(
                    name=f"batch {batch:>2}, {count} instances",
                    server=server,
                    load=_load(server, names[batch, count], args),
                )
                for batch, count in grid
            ]
            print(f"{args.model or 'perceptron'}, concurrency {args.concurrency}, one thread an instance, gRPC")
            ratios = compare_served(sides, seconds=args.seconds)
    by_setting = dict(zip(grid, ratios.values(), strict=True))
    for count in args.instances:
        values = [by_setting[batch, count] for batch in args.batches]
        print(f"{count} instances: " + _where_it_stops("batch", args.batches, values))
    for batch in args.batches:
        values = [by_setting[batch, count] for count in args.instances]
        print(f"batch {batch}: " + _where_it_stops("instances", args.instances, values))


def _where_it_stops(what: str, sizes: list[int], values: list[float]) -> str:
    """The last size up to which each step brought more than `PAYS`, and what it brought in all."""
    paid = list(itertools.takewhile(lambda i: values[i] > PAYS * values[i - 1], range(1, len(sizes))))
    last = paid[-1] if paid else 0
    return f"pays up to {what} {sizes[last]}, {values[last] / values[0]:.2f} times {what} {sizes[0]}"


def _write(folder: Path, model: Path | None, *, batch: int, instances: int) -> None:
    if model is None:
        write_model(folder, perceptron(1024, 4), dims=1024, instances=instances, batch=batch)
        return
    shutil.copytree(model, folder)
    config = read_config(folder / "config.pbtxt")
    config.name = folder.name
    config.max_batch_size = batch
    if batch == 1:
        config.ClearField("dynamic_batching")
    else:
        config.dynamic_batching.SetInParent()
    for warmup in config.model_warmup:
        warmup.batch_size = min(warmup.batch_size, batch)
    del config.instance_group[:]
    config.instance_group.add(count=instances, kind=2)
    config.parameters[THREADS].string_value = "1"
    (folder / "config.pbtxt").write_text(write_config(config), encoding="utf-8")


def _load(server: TritonServer, model: str, args: argparse.Namespace) -> Load:
    requests = make_requests(read_served_model(LoadPlan(model=model, grpc_url=server.grpc_url)))
    return Load(url=server.grpc_url, model=model, requests=requests, concurrency=args.concurrency)


if __name__ == "__main__":
    main()
