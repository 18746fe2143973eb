"""Two variants of one build on one Triton, asked for picture bytes to labels in turn; the ratio.

    python benchmarks/comparisons/served_variants.py OUT fp32 pixels PICTURE...

OUT is what `tritonkit build` wrote; the variants are named as in its model.yaml. With `pixels` of placement graph, it
compares normalisation fused into the graph, where uint8 passes from the step to the network, with the step's own. The
variants' parts lie side by side under an ensemble each; while one is asked the other is idle, so that neighbours on the
machine slow both.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks.comparisons.alternating import Load
from benchmarks.payloads import make_requests
from benchmarks.plan import LoadPlan
from benchmarks.served_model import read_served_model
from benchmarks.tune.built import read_built
from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.layout import CONFIG
from tritonkit.server import ServerOptions, TritonServer


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a build's output folder")
    parser.add_argument("baseline", help="the variant that is the ratio's 1")
    parser.add_argument("variant", help="the other one")
    parser.add_argument("pictures", nargs="+", type=Path, help="JPEG or PNG files, used in turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--concurrency", type=int, default=4, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    built = read_built(args.out)
    names = (args.baseline, args.variant)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        models = [_lay(repository, built.variants[one].repository, built.report.name, one) for one in names]
        with TritonServer(ServerOptions(repository, models=tuple(models))) as server:
            loads = [
                Load(
                    url=server.grpc_url,
                    model=model,
                    requests=make_requests(
                        read_served_model(LoadPlan(model=model, grpc_url=server.grpc_url)), files=args.pictures
                    ),
                    concurrency=args.concurrency,
                )
                for model in models
            ]
            # The first round is the warm-up.
            rounds = [[load.run(server, args.seconds)[0] for load in loads] for _ in range(args.rounds + 1)][1:]
    print(
        f"{built.report.name}: bytes to labels over gRPC, concurrency {args.concurrency}, "
        f"{args.rounds} rounds of {args.seconds:g} s"
    )
    for index, one in enumerate(names):
        rates = [pair[index].rate for pair in rounds]
        core = statistics.median(pair[index].rate / pair[index].cores for pair in rounds)
        print(
            f"{one:<16}{statistics.median(rates):>8.1f} answers/s ({min(rates):.1f}-{max(rates):.1f}), {core:.1f} a core"
        )
    for what, ratios in (
        ("answers a second", [variant.rate / baseline.rate for baseline, variant in rounds]),
        (
            "answers by second of CPU",
            [(variant.rate / variant.cores) / (baseline.rate / baseline.cores) for baseline, variant in rounds],
        ),
    ):
        print(f"ratio of {what}: {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})")


def _lay(repository: Path, source: Path, ensemble: str, variant: str) -> str:
    """Copies a variant's parts, whose names say their content, and its ensemble under a name of its own."""
    name = f"{ensemble}_{variant}"
    for part in source.iterdir():
        shutil.copytree(part, repository / (name if part.name == ensemble else part.name), dirs_exist_ok=True)
    config = read_config(repository / name / CONFIG)
    config.name = name
    (repository / name / CONFIG).write_text(write_config(config), encoding="utf-8")
    return name


if __name__ == "__main__":
    main()
