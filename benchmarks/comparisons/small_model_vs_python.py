"""What the embedded ONNX backend itself costs: a model of 12 weights over a Python model that does nothing, and two
instances of one thread each over one.

    python benchmarks/comparisons/small_model_vs_python.py

All over gRPC, on one server, in turn. The first comparison carries four numbers a request, so that its figures are
those of the backend; in the second a network of four layers of 1024 by 1024 weights keeps its processor busy.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.comparisons.alternating import Load, Side, compare_served
from benchmarks.comparisons.small_networks import perceptron, write_model
from benchmarks.payloads import encode
from tritonkit.server import ServerOptions, TritonServer

WIDTH = 1024
_CONFIG = """
backend: "{backend}"
max_batch_size: 8
input [{{ name: "x" data_type: TYPE_FP32 dims: [4] }}]
output [{{ name: "y" data_type: TYPE_FP32 dims: [{outputs}] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
"""
_NOTHING = """import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", request.inputs()[0].as_numpy())]) for request in requests
        ]
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=4, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_small(folder / "python", "python", "model.py", _NOTHING.encode(), outputs=4)
        _write_small(folder / "weights", "onnxruntime", "model.onnx", _linear(), outputs=3)
        for instances in (1, 2):
            write_model(folder / f"busy_{instances}", perceptron(WIDTH, 4), dims=WIDTH, instances=instances)
        with TritonServer(ServerOptions(folder)) as server:

            def side(text: str, model: str, width: int) -> Side:
                row = np.ones((1, width), np.float32)
                requests = (encode(model, {"x": row}),)
                load = Load(url=server.grpc_url, model=model, requests=requests, concurrency=args.concurrency)
                return Side(name=text, server=server, load=load)

            print(f"concurrency {args.concurrency}, one instance each")
            small = [side("Python, nothing", "python", 4), side("ONNX, 12 weights", "weights", 4)]
            compare_served(small, seconds=args.seconds)
            print(f"\nconcurrency {args.concurrency}, one thread an instance")
            busy = [side("one instance", "busy_1", WIDTH), side("two instances", "busy_2", WIDTH)]
            compare_served(busy, seconds=args.seconds)


def _write_small(folder: Path, backend: str, file: str, content: bytes, *, outputs: int) -> None:
    (folder / "1").mkdir(parents=True)
    (folder / "1" / file).write_bytes(content)
    text = f'name: "{folder.name}"' + _CONFIG.format(backend=backend, outputs=outputs)
    (folder / "config.pbtxt").write_text(text, encoding="utf-8")


def _linear() -> bytes:
    """[N, 4] -> [N, 3]: twelve weights and nothing else."""
    weights = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "weights")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n]) for name, n in (("x", 4), ("y", 3)))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "weights"], ["y"])], "linear", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
