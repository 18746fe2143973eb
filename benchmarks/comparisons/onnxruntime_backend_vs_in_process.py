"""The embedded ONNX backend with two instances over two in-process ONNX Runtime sessions of one thread.

    python benchmarks/comparisons/onnxruntime_backend_vs_in_process.py --network resnet18
    python benchmarks/comparisons/onnxruntime_backend_vs_in_process.py --network efficientnet_lite0

Both sides run the ONNX Runtime of the server's environment on the same file, the network with random weights,
exported once. The served side takes FP32 tensors of 602 KB over gRPC and over HTTP.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparisons.alternating import Load, compare_in_turn, workers
from benchmarks.payloads import encode
from tritonkit.server import ServerOptions, TritonServer, ensure_environment
from tritonkit.spec.cache_root import cache_root

MODEL = "network"
SHAPE = (1, 3, 224, 224)
CONFIG = """
backend: "onnxruntime"
input [{ name: "image" data_type: TYPE_FP32 dims: [1, 3, 224, 224] }]
output [{ name: "logits" data_type: TYPE_FP32 dims: [1, 1000] }]
instance_group [{ kind: KIND_CPU count: %d }]
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a round (default: %(default)s)")
    parser.add_argument("--sessions", type=int, default=2, help="on both sides (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=4, help="requests in flight (default: %(default)s)")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="resnet18", help="(default: %(default)s)")
    args = parser.parse_args()
    model = _exported(args.network)
    environment = ensure_environment(progress=print)
    baseline_arguments = {"model": str(model), "input": "image", "shape": SHAPE, "sessions": args.sessions}
    script = Path(__file__).with_name("in_process_sessions.py")
    tensor = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    requests = (encode(MODEL, {"image": tensor}),)
    with tempfile.TemporaryDirectory() as folder:
        _write_repository(Path(folder), model, args.sessions)
        with (
            TritonServer(ServerOptions(folder)) as server,
            workers(script, baseline_arguments, count=1, environment=environment) as baseline,
        ):
            loads = {
                name: Load(url=url, model=MODEL, requests=requests, concurrency=args.concurrency)
                for name, url in (("gRPC", server.grpc_url), ("HTTP", server.http_url))
            }
            print(f"{args.network}, {args.sessions} sessions of one thread, ONNX Runtime {environment.onnxruntime}")
            compare_in_turn(server, baseline, loads, seconds=args.seconds)


def _write_repository(folder: Path, model: Path, instances: int) -> None:
    version = folder / MODEL / "1"
    version.mkdir(parents=True)
    (version / "model.onnx").write_bytes(model.read_bytes())
    (folder / MODEL / "config.pbtxt").write_text(f'name: "{MODEL}"' + CONFIG % instances, encoding="utf-8")


def _resnet18() -> Any:
    import torchvision  # noqa: PLC0415 - only the first run needs it

    return torchvision.models.resnet18(weights=None)


def _efficientnet_lite0() -> Any:
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 - only the first run needs it

    return EfficientNet.from_name("efficientnet-lite0")


NETWORKS = {"resnet18": _resnet18, "efficientnet_lite0": _efficientnet_lite0}


def _exported(name: str) -> Path:
    """The ONNX file, made on first use."""
    import torch  # noqa: PLC0415 - only the first run needs it

    path = cache_root() / "benchmarks" / f"{name}-torch-{torch.__version__}.onnx"
    if not path.exists():
        print(f"exporting {path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        program = torch.onnx.export(
            NETWORKS[name]().eval(), (torch.zeros(SHAPE),), dynamo=True, opset_version=18, input_names=["image"],
            output_names=["logits"], verbose=False,
        )  # fmt: skip
        assert program is not None  # noqa: S101 - torch returns a program when dynamo is on
        draft = path.with_suffix(".draft")
        program.save(str(draft), external_data=False)
        draft.replace(path)
    return path


if __name__ == "__main__":
    main()
