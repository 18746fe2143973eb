"""`python -m builder.engines REPOSITORY --out CACHE`: what a GPU node runs before its Triton starts.

One JSON line on stdout is the result; progress goes to stderr. Exit codes:

    0    every engine is there; what could be proven on this GPU is equal, and the line says what could not be
    1    no: a graph cannot become an engine, an engine is missing under --no-build, or its answers differ
    2    an argument, the repository or a model's configuration is wrong; others may write into the cache
    3    something is not here: a GPU, TensorRT, with --require-parity a way to run the engine
    4    this TensorRT is not the version that will load the engines; another builder held the engine for too long
    130  Ctrl-C
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from builder.engines.build_engine import TIME_LIMIT_SECONDS
from builder.engines.node import NodeOptions, run_node
from builder.engines.profiles import DimRange
from builder.engines.records import EngineSettings, require_compute_capability
from tritonkit.spec.errors import InputError, KitError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO = 1
_INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    heading, _, codes = (__doc__ or "").partition("Exit codes:")
    parser = argparse.ArgumentParser(
        prog="python -m builder.engines",
        description=heading.strip().partition("\n\n")[0],
        epilog=f"exit codes:{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("repository", type=Path, metavar="REPOSITORY", help="the published repository; never written to")
    add("--out", type=Path, required=True, metavar="CACHE", help="the engine cache; may be shared by nodes")
    add("--serve", type=Path, metavar="FOLDER", help="lay the node's own repository: ONNX files, engines, profile")
    add("--profile", metavar="NAME", help="name of the profile, for --model-config-name (default: the GPU, e.g. sm86)")
    add("--model", action="append", default=[], metavar="NAME", help="only this ONNX model; may be repeated")
    add(
        "--ahead-of-time",
        action="append",
        default=[],
        metavar="CC",
        help="build with TensorRT-RTX for a GPU that is not here, e.g. 8.6; may be repeated. A build check, and an "
        "artefact for RTX workstations: Triton does not load it",
    )
    add("--serving-tensorrt", metavar="VERSION", help="the TensorRT that will load the engines, if not this image's")
    add("--optimal-batch", type=int, metavar="N", help="the batch that engines are tuned for (default: the largest)")
    add(
        "--free",
        action="append",
        default=[],
        metavar="DIM=MIN,OPT,MAX",
        help="sizes of a free dimension, by the graph's symbol or as INPUT.AXIS; may be repeated",
    )
    add("--workspace-mib", type=int, metavar="N", help="scratch memory of a layer (default: all of the GPU's)")
    add("--level", type=int, default=3, metavar="0..5", help="the builder's optimisation level (default: %(default)s)")
    add("--tf32", action="store_true", help="let FP32 products be rounded to TF32")
    add("--no-build", action="store_true", help="a missing engine is an error, and says what the nearest differs in")
    add("--require-parity", action="store_true", help="an engine that cannot be proven on this GPU is an error")
    add(
        "--time-limit", type=float, default=TIME_LIMIT_SECONDS, metavar="S", help="for one build (default: %(default)s)"
    )
    add("--prune-unused-days", type=float, metavar="N", help="afterwards remove engines unused for so long")
    add("--prune-above-gb", type=float, metavar="N", help="afterwards remove the longest unused engines beyond this")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the node's command and returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        report = run_node(_options(args), _say)
    except KitError as error:
        _say(str(error))
        _emit(json.dumps({"schema_version": 1, "passed": False, **error.as_dict()}))
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    _emit(report.model_dump_json())
    return 0 if report.passed else _NO


def _options(args: argparse.Namespace) -> NodeOptions:
    if not 0 <= args.level <= 5:
        raise InputError("--level: the builder has no such level", got=args.level, expected="0 to 5")
    workspace = None if args.workspace_mib is None else _positive("--workspace-mib", args.workspace_mib) << 20
    return NodeOptions(
        repository=args.repository,
        cache=args.out,
        models=tuple(args.model),
        ahead_of_time=tuple(map(require_compute_capability, args.ahead_of_time)),
        serving_version=args.serving_tensorrt,
        optimum=args.optimal_batch,
        free=dict(map(_free_dimension, args.free)),
        settings=EngineSettings(workspace_bytes=workspace, optimization_level=args.level, tf32=args.tf32),
        may_build=not args.no_build,
        require_parity=args.require_parity,
        serve=args.serve,
        profile=args.profile,
        unused_days=args.prune_unused_days,
        most_bytes=None if args.prune_above_gb is None else int(args.prune_above_gb * 1e9),
        time_limit=args.time_limit,
    )


def _free_dimension(text: str) -> tuple[str, DimRange]:
    name, _, sizes = text.partition("=")
    numbers = sizes.split(",")
    if not name or len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise InputError("--free: this is no range", got=text, expected="DIM=MIN,OPT,MAX, such as image.2=128,256,512")
    minimum, optimum, maximum = map(int, numbers)
    return name, DimRange(minimum=minimum, optimum=optimum, maximum=maximum)


def _positive(flag: str, number: int) -> int:
    if number < 1:
        raise InputError(f"{flag}: this is no size", got=number, expected="1 or more")
    return number


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _emit(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
