"""`tritonkit bench`: load-tests a served model with Locust."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.plan import LoadPlan
from benchmarks.run import run_load
from tritonkit.commands import console, exit_codes
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse

    from tritonkit.spec.reports import LoadReport

EXAMPLE = "tritonkit bench grpc://127.0.0.1:8001 http://127.0.0.1:8000 efficientnet_lite0 --files cat.jpg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("urls", nargs="+", metavar="URL", help="grpc://HOST:PORT, http://HOST:PORT or both")
    parser.add_argument("model", help="served name")
    parser.add_argument("--files", nargs="+", type=Path, default=[], metavar="FILE", help="what to send, in turn")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time (default: %(default)s)")
    parser.add_argument("--users", type=int, default=4, help="users of each protocol (default: %(default)s)")
    parser.add_argument(
        "--slo", default="", metavar="TEXT", help='such as "p99<50ms,errors<0.1%%"; exit 1 if it is missed'
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as JSON")


def run(args: argparse.Namespace) -> int:
    """Runs the test; exit code 1 if the objective was missed."""
    by_scheme = {url.partition("://")[0].removesuffix("s"): url for url in args.urls}
    unknown = by_scheme.keys() - {"grpc", "http"}
    if unknown:
        raise InputError(
            "this address is of no protocol of Triton's", got=", ".join(args.urls), expected="grpc:// or http://"
        )
    plan = LoadPlan(
        model=args.model,
        grpc_url=by_scheme.get("grpc"),
        http_url=by_scheme.get("http"),
        seconds=args.seconds,
        grpc_users=args.users,
        http_users=args.users,
        files=tuple(args.files),
    )
    with console.step("load") as line:
        report = run_load(
            plan, objective=args.slo, progress=line.note, command=shlex.join(["tritonkit", *sys.argv[1:]])
        )
        line.done(f"{sum(series.requests for series in report.series)} requests")
    if args.out:
        args.out.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if args.json:
        console.print_json(report)
    else:
        console.emit(_table(report))
    return exit_codes.NO if report.objective is not None and not report.objective.met else exit_codes.OK


def _table(report: LoadReport) -> str:
    rows = [
        (
            series.protocol,
            series.users,
            f"{series.throughput:.1f}",
            f"{series.latency.p50:.1f}",
            f"{series.latency.p95:.1f}",
            f"{series.latency.p99:.1f}",
            series.failures,
        )
        for series in report.series
    ]
    text = console.table(
        ("protocol", "users", "answers/s", "p50 ms", "p95 ms", "p99 ms", "failed"), rows, right=range(1, 7)
    )
    return f"{text}\n\nlimited by the generator: {report.limit_reason}" if report.limited_by_generator else text
