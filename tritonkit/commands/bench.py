"""`tritonkit bench`: load-tests a served model; `tritonkit bench compare`: judges two load tests."""

from __future__ import annotations

import math
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from benchmarks.arrivals import parse_rate
from benchmarks.compare import LEAST_CHANGE, compare
from benchmarks.plan import LoadPlan, parse_mix
from benchmarks.replay import read_trace
from benchmarks.run import run_load
from tritonkit.commands import console, exit_codes
from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import LoadReport

if TYPE_CHECKING:
    import argparse

    from tritonkit.spec.reports import LoadComparison, LoadSeries

EXAMPLE = """tritonkit bench grpc://127.0.0.1:8001 http://127.0.0.1:8000 efficientnet_lite0 --files cat.jpg
  tritonkit bench grpc://127.0.0.1:8001 efficientnet_lite0 --files cat.jpg --rate 50 --slo "p99<200ms,errors<0.1%"
  tritonkit bench grpc://127.0.0.1:8001 resnet=3,bert=1 --replay trace.json --out load.json
  tritonkit bench compare before.json after.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="URL... MODEL | compare A B",
        help="grpc://HOST:PORT, http://HOST:PORT or both, and the served name; or two reports of --out, or two "
        "folders of reports, to compare",
    )
    load = parser.add_argument_group("load")
    load.add_argument(
        "--files",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="what to send, in turn: any files for a BYTES input, .npy, or .npz by input name "
        "(default: random numbers of the model's own types and shapes)",
    )
    load.add_argument(
        "--shape", action="append", default=[], metavar="INPUT:DIMS", help="of an input that leaves it open"
    )
    load.add_argument("--batch", type=int, default=1, metavar="N", help="items in a request (default: %(default)s)")
    load.add_argument("--users", type=int, default=4, metavar="N", help="users of each protocol (default: %(default)s)")
    load.add_argument(
        "--rate",
        metavar="RATE",
        help="open loop: requests a second in all, whether or not they are answered: 200, 50..400 (ramp), 50,100,200 "
        "(steps), 100^400 (spike); without it, a closed loop: each user waits for its answer",
    )
    load.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="open loop in the rhythm of a recorded trace: a time in seconds a line, or Triton's own trace file",
    )
    load.add_argument(
        "--sequence", type=int, default=0, metavar="N", help="for a stateful model: N requests make a sequence"
    )
    load.add_argument(
        "--stream",
        action="store_true",
        help="for a decoupled model: a gRPC stream for each request, to its last answer",
    )
    load.add_argument("--even", action="store_true", help="open loop: evenly spaced, not as independent callers arrive")
    load.add_argument("--seconds", type=float, help="measured time (default: 10, or as long as the trace)")
    load.add_argument("--warmup", type=float, default=2.0, metavar="SECONDS", help="before it (default: %(default)s)")
    load.add_argument(
        "--deadline", type=float, default=10.0, metavar="SECONDS", help="of a request (default: %(default)s)"
    )
    load.add_argument(
        "--processes", type=int, default=1, metavar="N", help="of the generator; each can use one core (default: 1)"
    )
    load.add_argument("--no-ceiling", action="store_true", help="do not measure the generator's own ceiling first")
    load.add_argument("--seed", type=int, default=0, metavar="N", help="of payloads and arrivals")
    result = parser.add_argument_group("result")
    result.add_argument(
        "--slo", default="", metavar="TEXT", help='such as "p99<50ms,errors<0.1%%"; exit code 1 if it is missed'
    )
    result.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the report as JSON, with a page (.html) and a table (.csv) beside",
    )
    result.add_argument("--metrics", metavar="URL", help="Triton's metrics, for the use of its GPUs")
    result.add_argument(
        "--least-change",
        type=float,
        default=LEAST_CHANGE,
        metavar="SHARE",
        help="compare: the share below which a difference does not matter (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the test or the comparison; exit code 1 if the objective was missed or the second side is slower."""
    if args.words[0] == "compare":
        return _compare(args)
    plan = _plan(args)
    with console.step("load") as line:
        report = run_load(plan, objective=args.slo, progress=line.note, command=_command())
        line.done(f"{sum(series.requests for series in report.series)} requests")
    if args.out:
        _write(report, args.out)
    if args.json:
        console.print_json(report)
    else:
        console.emit(_text(report))
    return exit_codes.NO if report.objective is not None and not report.objective.met else exit_codes.OK


def _write(report: LoadReport, out: Path) -> None:
    from benchmarks.csv_table import csv_table  # noqa: PLC0415 - only a report that is kept needs them
    from tritonkit.report import draw_load_page  # noqa: PLC0415

    texts = {
        out: report.model_dump_json(indent=1) + "\n",
        out.with_suffix(".html"): draw_load_page(report),
        out.with_suffix(".csv"): csv_table(report),
    }
    for path, text in texts.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError("the report cannot be written", where=path, got=error.strerror) from None


def _command() -> str:
    return shlex.join(["tritonkit", *sys.argv[1:]])


def _plan(args: argparse.Namespace) -> LoadPlan:
    *urls, model = args.words
    if not urls or "://" in model:
        raise InputError(
            "an address and a model are needed",
            got=" ".join(args.words),
            expected="grpc://HOST:PORT MODEL, for example",
        )
    by_scheme = {url.partition("://")[0].removesuffix("s"): url for url in urls}
    if by_scheme.keys() - {"grpc", "http"} or len(by_scheme) < len(urls):
        raise InputError(
            "one address of each protocol can be tested", got=", ".join(urls), expected="grpc:// or http:// or both"
        )
    if args.replay and args.rate:
        raise InputError("a trace has its own times", got="--rate and --replay", expected="one of them")
    trace = read_trace(args.replay) if args.replay else ()
    # The last request must fall into the measured time too.
    seconds = args.seconds or (math.ceil(trace[-1] + 0.001) if trace else 10.0)
    model, mix = parse_mix(model)
    return LoadPlan(
        model=model,
        mix=mix,
        trace=trace,
        sequence_length=args.sequence,
        stream=args.stream,
        metrics_url=args.metrics,
        grpc_url=by_scheme.get("grpc"),
        http_url=by_scheme.get("http"),
        seconds=seconds,
        warmup_seconds=args.warmup,
        grpc_users=args.users,
        http_users=args.users,
        mode="open" if args.rate or args.replay else "closed",
        rate=parse_rate(args.rate, seconds) if args.rate else None,
        spacing="even" if args.even else "poisson",
        files=tuple(args.files),
        shapes=tuple(_shape(text) for text in args.shape),
        batch=args.batch,
        deadline_seconds=args.deadline,
        processes=args.processes,
        ceiling_seconds=0.0 if args.no_ceiling else 1.0,
        seed=args.seed,
    )


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, dims = text.rpartition(":")
    try:
        return name, tuple(int(dim) for dim in dims.split(","))
    except ValueError:
        raise InputError("this is no shape", got=repr(text), expected="INPUT:8,16 for example") from None


def _text(report: LoadReport) -> str:
    rows = [_row(series) for series in report.series]
    header = ("protocol", "users", "offered/s", "answers/s", "good/s", "95 % sure", "max ms", "failed")
    parts = [console.table(header, rows, right=range(1, 8)), _latency_table(report)]
    streams = [
        f"{_name(one)}: {one.responses:.1f} responses a request, the first after {one.first_response.p50:.1f} ms (p50), "
        f"{one.first_response.p99:.1f} ms (p99)"
        for one in report.series
        if one.first_response is not None and one.responses is not None
    ]
    if streams:
        parts.append("\n".join(streams))
    failures = [
        f"{_name(series)}: {count} {reason}" + _quoted(series.first_messages.get(reason))
        for series in report.series
        for reason, count in series.failure_reasons.items()
    ]
    if failures:
        parts.append("failed:\n" + "\n".join(f"  {line}" for line in failures))
    if report.server:
        parts.append(_server_table(report))
    parts.append("\n".join(_remarks(report)))
    return "\n\n".join(parts)


def _row(series: LoadSeries) -> tuple[object, ...]:
    interval = series.throughput_interval
    return (
        _name(series),
        series.users,
        "" if series.offered is None else f"{series.offered:.1f}",
        f"{series.throughput:.1f}",
        "" if series.goodput is None else f"{series.goodput:.1f}",
        f"{interval[0]:.1f} to {interval[1]:.1f}" if interval else "",
        f"{series.latency.max:.1f}",
        series.failures,
    )


def _name(series: LoadSeries) -> str:
    return f"{series.protocol} {series.model}".strip()


def _latency_table(report: LoadReport) -> str:
    """Each percentile with the interval in which it surely lies."""
    rows = [
        (_name(one), *(_with_interval(one, name) for name in ("p50", "p90", "p95", "p99", "p999", "mean")))
        for one in report.series
    ]
    header = ("ms (95 % sure)", "p50", "p90", "p95", "p99", "p99.9", "mean")
    return console.table(header, rows, right=range(1, 7))


def _with_interval(series: LoadSeries, name: str) -> str:
    text = f"{getattr(series.latency, name):.1f}"
    if series.latency_low is None or series.latency_high is None:
        return text
    return f"{text} ({getattr(series.latency_low, name):.1f}-{getattr(series.latency_high, name):.1f})"


def _quoted(message: str | None) -> str:
    return f" ({' '.join(message.split())[:120]})" if message else ""


def _server_table(report: LoadReport) -> str:
    header = ("the server's account", "requests", "mean batch", "queue ms", "input ms", "infer ms", "output ms")
    rows = [
        (
            times.model,
            times.requests,
            f"{times.mean_batch:.2f}",
            f"{times.queue_ms:.2f}",
            f"{times.compute_input_ms:.2f}",
            f"{times.compute_infer_ms:.2f}",
            f"{times.compute_output_ms:.2f}",
        )
        for times in report.server
    ]
    return console.table(header, rows, right=range(1, 7))


def _remarks(report: LoadReport) -> list[str]:
    loop = (
        "closed loop: each user waited for its answer, so a slow server slows the load"
        if report.mode == "closed"
        else f"open loop: {report.offered:.1f} requests/s offered, latency from when each was due; "
        f"{sum(s.late for s in report.series)} sent late, {sum(s.unsent for s in report.series)} never"
    )
    ceiling = "" if report.ceiling is None else f", its ceiling {report.ceiling:.0f} answers/s"
    machine = "" if report.machine_cpu is None else f"; its machine {report.machine_cpu:.2f} of {report.cores} cores"
    lines = [loop, f"generator: {report.generator_cpu:.2f} cores{ceiling}{machine}"]
    if report.limited_by_generator:
        lines.append(_red(f"LIMITED BY THE GENERATOR, not the server: {report.limit_reason}"))
    lines += [f"GPU {use.gpu}: {use.utilisation:.0%} busy, {use.memory_bytes / 1e9:.1f} GB" for use in report.gpus]
    lines += [f"note: {note}" for note in report.notes]
    if report.objective:
        lines.append(f"objective {report.objective.objective}: {'met' if report.objective.met else 'MISSED'}")
        lines += [
            f"  {f'{term.protocol} {term.model}'.strip()} {term.term}: got {term.got:.3g}"
            for term in report.objective.terms
            if not term.met
        ]
    return lines


def _red(text: str) -> str:
    """Red on a terminal that shows colours; a pipe gets the text alone (https://no-color.org)."""
    return f"\x1b[31m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def _compare(args: argparse.Namespace) -> int:
    if len(args.words) != 3:
        raise InputError("two things are needed to compare", got=" ".join(args.words), expected="compare A B")
    first, second = (_reports(Path(word)) for word in args.words[1:])
    comparison = compare(first, second, least_change=args.least_change)
    if args.json:
        console.print_json(comparison)
    else:
        console.emit(_comparison_text(comparison, args.words[1], args.words[2]))
    return exit_codes.NO if comparison.verdict in ("slower", "mixed") else exit_codes.OK


def _reports(path: Path) -> list[LoadReport]:
    """One report, or all of a folder."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError("there are no reports", where=path, expected="files that --out wrote")
    reports = []
    for file in files:
        try:
            reports.append(LoadReport.model_validate_json(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError("this report cannot be read", where=file, got=error.strerror) from None
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(map(str, fault["loc"])) or "the document"
            raise InputError(
                "this is no load report", where=file, got=f"{key}: {fault['msg']}", expected="a file that --out wrote"
            ) from None
    return reports


def _comparison_text(comparison: LoadComparison, first: str, second: str) -> str:
    rows = [
        (
            f"{figure.protocol} {figure.model}".strip(),
            figure.figure,
            f"{figure.first:.2f}",
            f"{figure.second:.2f}",
            f"{figure.ratio:.3f}",
            f"{figure.low:.3f} to {figure.high:.3f}",
            figure.verdict,
        )
        for figure in comparison.figures
    ]
    sure = f"{comparison.confidence:.0%} sure"
    table = console.table(("protocol", "figure", first, second, "B / A", sure, "B is"), rows, right=range(2, 6))
    notes = [f"note: {note}" for note in comparison.notes]
    threshold = f"(differences count when surely over {comparison.least_change:.0%})"
    return "\n".join([table, "", f"{second} is: {comparison.verdict} {threshold}", *notes])
