"""INT8 over FP32, the same network: in process on one thread, and served by one instance of one thread.

    python benchmarks/comparisons/int8_vs_fp32.py FP32.onnx INT8.onnx --shape 3,224,224

The two files are the `model.onnx` of two variants that a build left. Both sides run the ONNX Runtime of the server's
environment, in turn, so that neighbours on the machine slow both; the ratio is that of each round. What it comes to is
decided by the processor's instructions for integers, which are printed: without VNNI, a core adds up
about twice as many products of 8 bits a cycle as of 32.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import onnx

from benchmarks.comparisons.alternating import Load, workers
from benchmarks.payloads import encode
from tritonkit.server import ServerOptions, TritonServer, ensure_environment

CONFIG = """
name: "%s"
backend: "onnxruntime"
max_batch_size: 64
input [{ name: "%s" data_type: TYPE_FP32 dims: [%s] }]
output [{ name: "%s" data_type: TYPE_FP32 dims: [%s] }]
instance_group [{ kind: KIND_CPU count: 1 }]
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fp32", type=Path, help="the network in full precision")
    parser.add_argument("int8", type=Path, help="the same in INT8")
    parser.add_argument("--shape", default="3,224,224", help="of one item (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="items in a call (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    args = parser.parse_args()
    files = {"fp32": args.fp32.absolute(), "int8": args.int8.absolute()}
    graph = onnx.load(files["fp32"], load_external_data=False).graph
    name, shape = graph.input[0].name, (args.batch, *map(int, args.shape.split(",")))
    environment = ensure_environment(progress=print)
    print(f"{_processor()}; ONNX Runtime {environment.onnxruntime}, one thread, batch {args.batch}, {args.shape}")
    script = Path(__file__).with_name("in_process_sessions.py")
    tensor = np.random.default_rng(0).random(shape, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for key, file in files.items():
            _write_model(Path(folder) / key, file, graph, args.shape)
        tell = [{"model": str(file), "input": name, "shape": shape, "sessions": 1} for file in files.values()]
        with (
            workers(script, tell[0], count=1, environment=environment) as slow,
            workers(script, tell[1], count=1, environment=environment) as fast,
        ):
            _print("in process", [(slow.work(args.seconds).rate, fast.work(args.seconds).rate) for _ in _rounds(args)])
        with TritonServer(ServerOptions(folder)) as server:
            loads = [
                Load(url=server.grpc_url, model=key, requests=(encode(key, {name: tensor}),), concurrency=2)
                for key in files
            ]
            pairs = []
            for _ in _rounds(args):
                slow_rate, fast_rate = (load.run(server, args.seconds)[0].rate for load in loads)
                pairs.append((slow_rate, fast_rate))
            _print("served, gRPC", pairs)


def _rounds(args: argparse.Namespace) -> range:
    return range(args.rounds + 1)


def _print(where: str, pairs: list[tuple[float, float]]) -> None:
    """One row; the first round is the warm-up."""
    ratios = [fast / slow for slow, fast in pairs[1:]]
    slow, fast = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    print(
        f"{where:<13} fp32 {slow:7.1f} calls/s, int8 {fast:7.1f} calls/s, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f})",
        flush=True,
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = (line.partition(":") for line in file.read_text().splitlines()) if file.exists() else ()
    fields = {key.strip(): value.strip() for key, _, value in lines}
    flags = [flag for flag in _FLAGS if flag in fields.get("flags", "").split()]
    return f"{fields.get('model name', 'processor unknown')} with {', '.join(flags) or 'no known instructions'}"


def _write_model(folder: Path, file: Path, graph: onnx.GraphProto, shape: str) -> None:
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(file.read_bytes())
    output = graph.output[0]
    dims = ", ".join(str(dim.dim_value) for dim in output.type.tensor_type.shape.dim[1:])
    fields = (folder.name, graph.input[0].name, shape.replace(",", ", "), output.name, dims)
    (folder / "config.pbtxt").write_text(CONFIG % fields, encoding="utf-8")


if __name__ == "__main__":
    main()
