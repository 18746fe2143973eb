"""Picture bytes to labels: a built ensemble on Triton over the same steps called in process.

    python benchmarks/comparisons/ensemble_vs_in_process.py REPOSITORY PICTURE...

REPOSITORY is what `tritonkit build` or `tritonkit publish` wrote, such as `model_repository` after `make demo`. The
baseline runs the ensemble's own steps and ONNX file, in the server's Python and ONNX Runtime, in as many processes as
the network has instances.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.comparisons.alternating import Load, compare_in_turn, workers
from benchmarks.payloads import make_requests
from benchmarks.plan import LoadPlan
from benchmarks.served_model import read_served_model
from tritonkit.repository.config import read_config
from tritonkit.server import ServerOptions, TritonServer, ensure_environment


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path, help="the model repository")
    parser.add_argument("pictures", nargs="+", type=Path, help="JPEG or PNG files, used in turn")
    parser.add_argument("--model", default="efficientnet_lite0", help="the ensemble (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=8, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    before, network, after = _parts(args.repository, args.model)
    instances = sum(group.count for group in read_config(network / "config.pbtxt").instance_group)
    arguments = {
        "preprocess": str(_version(before)),
        "model": str(_version(network) / "model.onnx"),
        "postprocess": str(_version(after)),
        "pictures": [str(picture.absolute()) for picture in args.pictures],
    }
    script = Path(__file__).with_name("in_process_chain.py")
    environment = ensure_environment(progress=print)
    with (
        TritonServer(ServerOptions(args.repository, models=(args.model,))) as server,
        workers(script, arguments, count=instances, environment=environment) as baseline,
    ):
        plan = LoadPlan(model=args.model, grpc_url=server.grpc_url)
        requests = make_requests(read_served_model(plan), files=args.pictures)
        loads = {
            name: Load(url=url, model=args.model, requests=requests, concurrency=args.concurrency)
            for name, url in (("gRPC", server.grpc_url), ("HTTP", server.http_url))
        }
        print(f"{args.model}: bytes to labels, concurrency {args.concurrency}; in process: {instances} processes")
        compare_in_turn(server, baseline, loads, seconds=args.seconds)


def _parts(repository: Path, model: str) -> tuple[Path, Path, Path]:
    """The folders of the ensemble's three parts, in its order."""
    steps = read_config(repository / model / "config.pbtxt").ensemble_scheduling.step
    before, network, after = (repository / step.model_name for step in steps)
    return before, network, after


def _version(part: Path) -> Path:
    """The one version folder of a part."""
    (version,) = (folder for folder in part.iterdir() if folder.name.isdigit())
    return version.absolute()


if __name__ == "__main__":
    main()
